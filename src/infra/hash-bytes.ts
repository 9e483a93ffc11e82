import { type AppError, invalidInput } from '../core/errors.ts';

/** What is wrong with a hash of another system, never with the hash in it. */
export const refused = (message: string): AppError => invalidInput([{ pointer: '/passwordHash', message }]);

/** Base64 without padding, as the PHC string format writes it. */
export const toBase64 = (bytes: Buffer): string => bytes.toString('base64').replaceAll('=', '');

export type Encoding = 'base64' | 'hex' | 'utf8';

/** The bytes of a text. Throws 422 where it is not of the encoding: Node would leave out what it does not understand. */
export function bytesOf(text: string, encoding: Encoding): Buffer {
  const bytes = Buffer.from(text, encoding);
  const again = {
    base64: () => toBase64(bytes) === text.replace(/={1,2}$/, ''),
    hex: () => bytes.toString('hex') === text.toLowerCase(),
    utf8: () => bytes.toString('utf8') === text,
  };
  if (!again[encoding]()) throw refused(`salt and hash have to be ${encoding}`);
  return bytes;
}
