import net from 'node:net';

// Two lists: an IPv6 rule in a BlockList also matches IPv4 addresses, as ::ffff:a.b.c.d.
const special = { ipv4: new net.BlockList(), ipv6: new net.BlockList() };

const IPV4 = [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.31.196.0/24',
  '192.52.193.0/24',
  '192.88.99.0/24',
  '192.168.0.0/16',
  '192.175.48.0/24',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/4',
  '240.0.0.0/4',
];

// Only 2000::/3 is routed; inside it: Teredo, ORCHID, benchmarking, documentation, 6to4 (it can carry a private IPv4 address).
const IPV6 = ['::/3', '4000::/2', '8000::/1', '2001::/23', '2001:db8::/32', '2002::/16', '2620:4f:8000::/48', '3fff::/20'];

for (const [family, cidrs] of [
  ['ipv4', IPV4],
  ['ipv6', IPV6],
] as const)
  for (const cidr of cidrs) {
    const [address = '', bits] = cidr.split('/');
    special[family].addSubnet(address, Number(bits), family);
  }

/** Whether an address belongs to the public internet (IANA special-purpose address registries). What is no address does not. */
export function isPublicAddress(address: string): boolean {
  const family = net.isIP(address);
  if (!family) return false;
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (mapped) return isPublicAddress(mapped);
  return family === 6 ? !special.ipv6.check(address, 'ipv6') : !special.ipv4.check(address, 'ipv4');
}
