import { BlockList, isIP } from 'node:net';

/** The address in its one spelling: IPv4 for IPv4-mapped IPv6, RFC 5952 else, no zone; undefined where it is none. */
export function normaliseAddress(text: string): string | undefined {
  const address = text.replace(/%.*$/, '');
  if (isIP(address) === 4) return address;
  if (isIP(address) !== 6) return undefined;
  const short = new URL(`http://[${address}]`).hostname.slice(1, -1);
  const mapped = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(short);
  if (!mapped) return short;
  const [high, low] = [Number.parseInt(mapped[1]!, 16), Number.parseInt(mapped[2]!, 16)];
  return [high >> 8, high & 255, low >> 8, low & 255].join('.');
}

export type IsTrusted = (address: string) => boolean;

/** Whether an address is within these CIDRs (or equal to these addresses). Throws at start where one is neither. */
export function trustOf(cidrs: readonly string[]): IsTrusted {
  const list = new BlockList();
  for (const cidr of cidrs) {
    const [, text = '', prefix] = /^([^/]+)(?:\/(\d{1,3}))?$/.exec(cidr.trim()) ?? [];
    const address = normaliseAddress(text);
    if (address === undefined) throw new Error(`${cidr} is no address range`);
    const family = isIP(address) === 4 ? 'ipv4' : 'ipv6';
    if (prefix === undefined) list.addAddress(address, family);
    // A range of IPv4-mapped addresses is one of IPv4.
    else list.addSubnet(address, Number(prefix) - (family === 'ipv4' && isIP(text) === 6 ? 96 : 0), family);
  }
  return (address) => {
    const family = isIP(address);
    return family !== 0 && list.check(address, family === 4 ? 'ipv4' : 'ipv6');
  };
}

const MOST_HOPS = 20;

/**
 * The client's address: the peer's, or, where the peer is a trusted proxy, the right-most address of `X-Forwarded-For` that is not.
 * What is no address ends the walk: nothing left of it can be believed.
 */
export function clientAddress(peer: string | undefined, forwardedFor: string, isTrusted: IsTrusted): string {
  let address = normaliseAddress(peer ?? '') ?? '';
  if (!isTrusted(address)) return address;
  for (const hop of forwardedFor.slice(-2048).split(',').slice(-MOST_HOPS).reverse()) {
    const next = normaliseAddress(withoutPort(hop.trim()));
    if (next === undefined) return address;
    address = next;
    if (!isTrusted(address)) return address;
  }
  return address;
}

/** `1.2.3.4:5` and `[::1]:5`, as some proxies write them. */
function withoutPort(hop: string): string {
  const bracketed = /^\[([0-9a-fA-F:.%]{2,64})\](:\d{1,5})?$/.exec(hop);
  if (bracketed) return bracketed[1]!;
  return /^[\d.]{7,15}:\d{1,5}$/.test(hop) ? hop.slice(0, hop.indexOf(':')) : hop;
}
