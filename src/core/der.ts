/** Reading DER (X.690), as far as names in certificates go. */

export interface DerNode {
  /** The identifier octet: class, form and number; higher numbers than 30 are not read. */
  tag: number;
  value: Buffer;
}

/** The one value that the bytes are; undefined where they are anything else, or more. */
export function readDer(bytes: Buffer): DerNode | undefined {
  const nodes = readAll(bytes);
  return nodes?.length === 1 ? nodes[0] : undefined;
}

/** What a constructed value is made of; empty where it cannot be read. */
export const childrenOf = (node: DerNode | undefined): readonly DerNode[] => (node && readAll(node.value)) ?? [];

function readAll(bytes: Buffer): DerNode[] | undefined {
  const nodes: DerNode[] = [];
  let at = 0;
  while (at < bytes.length) {
    const tag = bytes[at]!;
    const first = bytes[at + 1];
    if (first === undefined || (tag & 31) === 31) return undefined;
    const octets = first < 128 ? 0 : first - 128;
    // 0x80 is the indefinite form, which DER has not; nothing here is longer than 16 MiB.
    if (first === 128 || octets > 3 || at + 2 + octets > bytes.length) return undefined;
    const length = octets === 0 ? first : bytes.readUIntBE(at + 2, octets);
    const start = at + 2 + octets;
    if (start + length > bytes.length) return undefined;
    nodes.push({ tag, value: bytes.subarray(start, start + length) });
    at = start + length;
  }
  return nodes;
}

/** An object identifier in dots; undefined where the value is none. */
export function oidOf(node: DerNode | undefined): string | undefined {
  if (node?.tag !== 0x06 || node.value.length === 0) return undefined;
  const arcs: number[] = [];
  let arc = 0;
  for (const [index, octet] of node.value.entries()) {
    arc = arc * 128 + (octet & 127);
    if (!Number.isSafeInteger(arc)) return undefined;
    if (octet >= 128) {
      if (index === node.value.length - 1) return undefined;
      continue;
    }
    if (arcs.length === 0) {
      const root = Math.min(2, Math.floor(arc / 40));
      arcs.push(root, arc - root * 40);
    } else arcs.push(arc);
    arc = 0;
  }
  return arcs.join('.');
}

/** A character string of any kind that names are written in; undefined where the value is none. */
export function textOf(node: DerNode | undefined): string | undefined {
  switch (node?.tag) {
    case 0x0c: // UTF8String
      return utf8Of(node.value);
    case 0x12: // NumericString
    case 0x13: // PrintableString
    case 0x14: // TeletexString
    case 0x16: // IA5String
      return node.value.toString('latin1');
    case 0x1e: // BMPString
      return node.value.length % 2 === 0 ? Buffer.from(node.value).swap16().toString('utf16le') : undefined;
    default:
      return undefined;
  }
}

/** Undefined where the bytes are not UTF-8. */
export function utf8Of(bytes: Buffer): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}
