/** From which addresses a tenant may be reached. */
import { BlockList, isIP } from 'node:net';
import type { TenantFacts } from './index.ts';

export type AddressRule = TenantFacts['ipRules'][number];

interface Compiled {
  allow: BlockList | undefined;
  deny: BlockList | undefined;
}

const compiled = new WeakMap<readonly AddressRule[], Compiled>();

/**
 * Whether a request from `address` may act in the tenant. A deny rule always wins; where there are allow rules, only they let somebody in. Without
 * rules everybody may. IPv4 in IPv6 (`::ffff:…`) is IPv4. What is no address is let in only where there are no rules.
 */
export function addressAllowed({ ipRules }: Pick<TenantFacts, 'ipRules'>, address: string): boolean {
  if (ipRules.length === 0) return true;
  let lists = compiled.get(ipRules);
  if (!lists) {
    lists = { allow: listOf(ipRules, 'allow'), deny: listOf(ipRules, 'deny') };
    compiled.set(ipRules, lists);
  }
  const bare = plainAddress(address);
  const version = isIP(bare);
  if (version === 0) return false;
  const family = version === 4 ? 'ipv4' : 'ipv6';
  if (lists.deny?.check(bare, family)) return false;
  return lists.allow === undefined || lists.allow.check(bare, family);
}

function listOf(rules: readonly AddressRule[], action: AddressRule['action']): BlockList | undefined {
  const chosen = rules.filter((rule) => rule.action === action);
  if (chosen.length === 0) return undefined;
  const list = new BlockList();
  for (const { cidr } of chosen) {
    const { address, bits, family } = parseCidr(cidr) ?? {};
    if (address === undefined) continue;
    list.addSubnet(address, bits!, family!);
  }
  return list;
}

export interface Cidr {
  /** The first address of the network, as it was written. */
  address: string;
  bits: number;
  family: 'ipv4' | 'ipv6';
}

/** Reads `192.0.2.0/24`, `2001:db8::/32` or a single address; a network within `::ffff:0:0/96` is the IPv4 one. Undefined for anything else. */
export function parseCidr(text: string): Cidr | undefined {
  const [, written = '', digits] = /^([0-9A-Fa-f.:]+)(?:\/(\d{1,3}))?$/.exec(text) ?? [];
  const version = isIP(written);
  if (version === 0) return undefined;
  const all = version === 4 ? 32 : 128;
  const bits = digits === undefined ? all : Number(digits);
  if (bits > all) return undefined;
  const address = plainAddress(written);
  if (isIP(address) === version) return { address, bits, family: version === 4 ? 'ipv4' : 'ipv6' };
  return bits < 96 ? undefined : { address, bits: bits - 96, family: 'ipv4' };
}

/** `::ffff:192.0.2.1` and `::ffff:c000:201` are `192.0.2.1`; a zone is left out. */
function plainAddress(address: string): string {
  const bare = address.replace(/%.*$/, '');
  if (isIP(bare) !== 6 || !/^(?:0{0,4}:){0,5}:?ffff:/i.test(bare)) return bare;
  // The URL parser writes IPv6 in its one shortest form.
  const short = new URL(`http://[${bare}]/`).hostname.slice(1, -1);
  const [, high, low] = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(short) ?? [];
  if (high === undefined || low === undefined) return bare;
  const [a, b] = [Number.parseInt(high, 16), Number.parseInt(low, 16)];
  return `${a >> 8}.${a & 255}.${b >> 8}.${b & 255}`;
}
