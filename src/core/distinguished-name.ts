/** Distinguished names, from text (RFC 4514) and from certificates (RFC 5280 section 4.1.2.4), in one form that can be compared. */
import { childrenOf, type DerNode, oidOf, readDer, textOf, utf8Of } from './der.ts';

/** One key for each relative name, the most significant first, as certificates have them. */
export type DistinguishedName = readonly string[];

/** Lower case; those of RFC 4514 section 3, and what OpenSSL and certificate authorities write. */
const OIDS: Readonly<Record<string, string>> = {
  cn: '2.5.4.3',
  sn: '2.5.4.4',
  serialnumber: '2.5.4.5',
  c: '2.5.4.6',
  l: '2.5.4.7',
  st: '2.5.4.8',
  street: '2.5.4.9',
  o: '2.5.4.10',
  ou: '2.5.4.11',
  title: '2.5.4.12',
  businesscategory: '2.5.4.15',
  postalcode: '2.5.4.17',
  gn: '2.5.4.42',
  givenname: '2.5.4.42',
  dnqualifier: '2.5.4.46',
  organizationidentifier: '2.5.4.97',
  uid: '0.9.2342.19200300.100.1.1',
  dc: '0.9.2342.19200300.100.1.25',
  emailaddress: '1.2.840.113549.1.9.1',
  e: '1.2.840.113549.1.9.1',
  jurisdictionl: '1.3.6.1.4.1.311.60.2.1.1',
  jurisdictionst: '1.3.6.1.4.1.311.60.2.1.2',
  jurisdictionc: '1.3.6.1.4.1.311.60.2.1.3',
};

const TYPE = / *(?:([A-Za-z][A-Za-z0-9-]*)|(?:OID\.)?(\d+(?:\.\d+)+)) *= */y;
const HEX = /#((?:[0-9A-Fa-f]{2})+) */y;
const QUOTED = /"((?:[^"\\]|\\.)*)" */sy;
const PLAIN = /((?:[^,+"\\<>;\0]|\\[0-9A-Fa-f]{2}|\\[ "#+,;<=>\\])*)/y;

/** Reads the string form of RFC 4514, the quoted values of RFC 2253 included. Undefined where it is none, is empty or has an attribute nobody knows. */
export function parseDistinguishedName(text: string): DistinguishedName | undefined {
  const names: string[] = [];
  let pairs: [string, string][] = [];
  let at = 0;
  const take = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = at;
    const found = pattern.exec(text);
    if (found) at = pattern.lastIndex;
    return found;
  };
  for (;;) {
    const [, word, dotted] = take(TYPE) ?? [];
    const oid = dotted ?? OIDS[word?.toLowerCase() ?? ''];
    const value =
      text[at] === '#' ? fromHex(take(HEX)?.[1]) : text[at] === '"' ? unescaped(take(QUOTED)?.[1]) : unescaped(take(PLAIN)?.[1]);
    if (oid === undefined || value === undefined) return undefined;
    pairs.push([oid, value]);
    const separator = text[at];
    at += 1;
    if (separator === '+') continue;
    names.push(keyOf(pairs));
    pairs = [];
    // The string begins with the least significant.
    if (separator === undefined) return names.reverse();
    if (separator !== ',') return undefined;
  }
}

/** The name that a certificate's `Name` is; undefined where it cannot be read. */
export function readDistinguishedName(name: DerNode | undefined): DistinguishedName | undefined {
  const names: string[] = [];
  for (const relative of childrenOf(name)) {
    const pairs: [string, string][] = [];
    for (const attribute of childrenOf(relative)) {
      const [type, value] = childrenOf(attribute);
      const oid = oidOf(type);
      if (oid === undefined || value === undefined) return undefined;
      pairs.push([oid, textOrHex(value)]);
    }
    if (pairs.length === 0) return undefined;
    names.push(keyOf(pairs));
  }
  return names;
}

/** Whether they are the same. Many write the most significant part first, as OpenSSL shows it: the whole order may be turned round, and nothing else. */
export function isSameName(one: DistinguishedName, other: DistinguishedName): boolean {
  const equal = (a: DistinguishedName, b: DistinguishedName): boolean =>
    a.length === b.length && a.every((name, index) => name === b[index]);
  return one.length > 0 && (equal(one, other) || equal(one.toReversed(), other));
}

/** The attributes of one relative name are a set. */
const keyOf = (pairs: readonly [string, string][]): string =>
  JSON.stringify(pairs.map(([oid, value]) => `${oid}=${normalise(value)}`).sort());

/** caseIgnoreMatch (RFC 4517 section 4.2.11), short of compatibility forms: letters that only look alike stay different. */
const normalise = (text: string): string => text.normalize('NFC').toLowerCase().replaceAll(/\s+/g, ' ').trim();

const textOrHex = (node: DerNode): string => textOf(node) ?? `#${node.tag.toString(16)}${node.value.toString('hex')}`;

function fromHex(hex: string | undefined): string | undefined {
  const node = hex === undefined ? undefined : readDer(Buffer.from(hex, 'hex'));
  return node && textOrHex(node);
}

/** Section 2.4: pairs of hexadecimal digits are octets of UTF-8. */
function unescaped(text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  const parts = [...text.matchAll(/\\([0-9A-Fa-f]{2})|\\(.)|[^\\]+/gs)];
  return utf8Of(Buffer.concat(parts.map(([all, hex, char]) => (hex ? Buffer.from(hex, 'hex') : Buffer.from(char ?? all)))));
}
