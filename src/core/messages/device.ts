import { message } from './catalogue.ts';

const BROWSERS: readonly (readonly [RegExp, string])[] = [
  [/\bEdgA?\/|\bEdgiOS\//, 'Edge'],
  [/\bOPR\/|\bOpera\b/, 'Opera'],
  [/\bSamsungBrowser\//, 'Samsung Internet'],
  [/\bFirefox\/|\bFxiOS\//, 'Firefox'],
  [/\bChrom(e|ium)\/|\bCriOS\//, 'Chrome'],
  [/\bVersion\/[\d.]+ .*Safari\//, 'Safari'],
  [/^curl\//, 'curl'],
];

const SYSTEMS: readonly (readonly [RegExp, string])[] = [
  [/\biPhone\b/, 'iPhone'],
  [/\biPad\b/, 'iPad'],
  [/\bAndroid\b/, 'Android'],
  [/\bWindows\b/, 'Windows'],
  [/\bCrOS\b/, 'ChromeOS'],
  [/\bMac OS X\b|\bMacintosh\b/, 'macOS'],
  [/\bLinux\b/, 'Linux'],
];

/**
 * What a User-Agent says about itself, as people say it: `Firefox on Windows`. Only words of ours come out, never the
 * header's own text, so the answer is safe to mail to somebody else.
 */
export function deviceName(locale: string, userAgent: string): string {
  const [browser, system] = knownIn(userAgent);
  if (browser && system) return message(locale, 'account.device', { browser, system });
  return browser ?? system ?? message(locale, 'account.unknown_device');
}

/** What stays the same of a User-Agent from version to version: the browser and the system where they are known, else the first product's name. */
export function productOf(userAgent: string): string {
  const [browser, system] = knownIn(userAgent);
  return [browser ?? /^[\w.-]{1,60}/.exec(userAgent)?.[0] ?? '', system ?? ''].join(' ');
}

const knownIn = (userAgent: string): (string | undefined)[] =>
  [BROWSERS, SYSTEMS].map((list) => list.find(([pattern]) => pattern.test(userAgent))?.[1]);
