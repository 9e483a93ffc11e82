import { type Locale, localeFor } from './catalogue.ts';

const UNITS: readonly (readonly [limitSeconds: number, unitSeconds: number, unit: Intl.RelativeTimeFormatUnit])[] = [
  [3600, 60, 'minute'],
  [86_400, 3600, 'hour'],
  [7 * 86_400, 86_400, 'day'],
];

interface Formats {
  full: Intl.DateTimeFormat;
  day: Intl.DateTimeFormat;
  past: Intl.RelativeTimeFormat;
  ahead: Intl.RelativeTimeFormat;
}

const FORMATS = new Map<Locale, Formats>();

/** Made once for each language there are texts in. */
function formatsOf(name: string): Formats {
  const locale = localeFor(name);
  const known = FORMATS.get(locale);
  if (known) return known;
  // English of the world at large has the day before the month.
  const region = locale === 'en' ? 'en-GB' : locale;
  const made = {
    full: new Intl.DateTimeFormat(region, { dateStyle: 'long', timeStyle: 'short', timeZone: 'UTC' }),
    day: new Intl.DateTimeFormat(region, { dateStyle: 'long', timeZone: 'UTC' }),
    past: new Intl.RelativeTimeFormat(locale, { numeric: 'auto' }),
    ahead: new Intl.RelativeTimeFormat(locale),
  };
  FORMATS.set(locale, made);
  return made;
}

/** An instant in words with its zone, e.g. `22 November 2026 at 16:50 UTC`: the person's own zone is not known. */
export const formatInstant = (locale: string, at: Date): string => `${formatsOf(locale).full.format(at)} UTC`;

/** How long ago `at` was, as people say it: `3 minutes ago`, `yesterday`; beyond a week the date. */
export function formatPassed(locale: string, at: Date, now: Date): string {
  const seconds = Math.max(0, (now.getTime() - at.getTime()) / 1000);
  const { past, day } = formatsOf(locale);
  if (seconds < 60) return past.format(0, 'second');
  for (const [limit, size, unit] of UNITS) {
    if (seconds < limit) return past.format(-Math.floor(seconds / size), unit);
  }
  return day.format(at);
}

/** A waiting time ahead: `in 40 seconds`, `in 3 minutes`, `in 5 hours`; never less than it is. */
export function formatSeconds(locale: string, seconds: number): string {
  const { ahead } = formatsOf(locale);
  if (seconds < 120) return ahead.format(Math.max(1, Math.ceil(seconds)), 'second');
  return seconds <= 7200 ? ahead.format(Math.ceil(seconds / 60), 'minute') : ahead.format(Math.ceil(seconds / 3600), 'hour');
}
