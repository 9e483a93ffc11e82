/**
 * A telephone number as somebody types it, in E.164; `country` (ISO 3166-1 alpha-2) is where numbers without a country code are from. Undefined
 * where it is no number that exists.
 */
export async function parsePhone(text: string, country: string | undefined): Promise<string | undefined> {
  if (text.length > 40 || !/^[+\d\s().\-/]+$/.test(text)) return undefined;
  // Large, and read from disk with the first number that is typed.
  const { parsePhoneNumberFromString } = await import('libphonenumber-js/max');
  const found = parsePhoneNumberFromString(text, country === undefined ? undefined : (country as never));
  return found?.isValid() && found.ext === undefined ? found.number : undefined;
}
