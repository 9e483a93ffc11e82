const UNITS: readonly (readonly [limitSeconds: number, unitSeconds: number, unit: Intl.RelativeTimeFormatUnit])[] = [
  [3600, 60, 'minute'],
  [86_400, 3600, 'hour'],
  [7 * 86_400, 86_400, 'day'],
];

/** An instant in words with its zone, e.g. `22 November 2026 at 16:50 UTC`: the person's own zone is not known. */
export function formatInstant(locale: string, at: Date): string {
  const region = locale === 'en' ? 'en-GB' : locale;
  return `${new Intl.DateTimeFormat(region, { dateStyle: 'long', timeStyle: 'short', timeZone: 'UTC' }).format(at)} UTC`;
}

/** How long ago `at` was, as people say it: `3 minutes ago`, `yesterday`; beyond a week the date. */
export function formatPassed(locale: string, at: Date, now: Date): string {
  const seconds = Math.max(0, (now.getTime() - at.getTime()) / 1000);
  const relative = new Intl.RelativeTimeFormat(locale, { numeric: 'auto' });
  if (seconds < 60) return relative.format(0, 'second');
  for (const [limit, size, unit] of UNITS) {
    if (seconds < limit) return relative.format(-Math.floor(seconds / size), unit);
  }
  return new Intl.DateTimeFormat(locale === 'en' ? 'en-GB' : locale, { dateStyle: 'long', timeZone: 'UTC' }).format(at);
}

/** A waiting time ahead: `in 40 seconds`, `in 3 minutes`. */
export function formatSeconds(locale: string, seconds: number): string {
  const relative = new Intl.RelativeTimeFormat(locale);
  return seconds < 120 ? relative.format(Math.max(1, Math.ceil(seconds)), 'second') : relative.format(Math.ceil(seconds / 60), 'minute');
}
