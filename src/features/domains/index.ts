import type { TenantFacts } from '../tenants/index.ts';

/** Looks TXT records up; each record is a list of the strings that it consists of. Throws as `node:dns` does. */
export type ResolveTxt = (name: string) => Promise<readonly (readonly string[])[]>;

/** Whether the address is in one of the tenant's verified domains: exactly, its subdomains are others. */
export function isVerifiedDomainOf({ domains }: Pick<TenantFacts, 'domains'>, email: string): boolean {
  const at = email.lastIndexOf('@');
  return at > 0 && domains.includes(email.slice(at + 1).toLowerCase());
}
