/** How a key looks: `gh_`, 256 random bits as base64url (43 characters), and a checksum (6) by which scanners and typing errors are told offline. */
import { crc32 } from 'node:zlib';
import { newSecret } from '../../core/ids.ts';

const SHAPE = /^(gh_[A-Za-z0-9_-]{43})([0-9A-Za-z]{6})$/;
const DIGITS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

/** Whether somebody means it as an API key, right or wrong: no access token of ours looks like that. */
export const looksLikeApiKey = (text: string): boolean => text.startsWith('gh_');

/** Whether it could be one, by its checksum. */
export function isApiKey(text: string): boolean {
  const [, body, checksum] = SHAPE.exec(text) ?? [];
  return body !== undefined && checksum === checksumOf(body);
}

export function newApiKey(): string {
  const body = `gh_${newSecret()}`;
  return `${body}${checksumOf(body)}`;
}

/** What may be shown of a key later on: eight of its random characters, which leaves 208 bits unknown. */
export const prefixOf = (key: string): string => key.slice(0, 11);

/** CRC-32 in base 62. */
function checksumOf(body: string): string {
  let rest = crc32(body);
  let text = '';
  for (let place = 0; place < 6; place += 1) {
    text = DIGITS[rest % 62] + text;
    rest = Math.floor(rest / 62);
  }
  return text;
}
