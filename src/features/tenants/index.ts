/** A tenant of ours in its smallest form: what the start of the server needs to know. */
export interface Installation {
  /** The tenant of who runs the installation, and of who registers at the base issuer. */
  rootTenantId: string;
  /** Every issuer's URL with its tenant, the base issuer first. */
  issuers: readonly Issuer[];
}

export interface Issuer {
  url: string;
  tenantId: string;
}

export type TenantType = 'root' | 'personal' | 'team' | 'enterprise';
export type TenantStatus = 'active' | 'suspended' | 'deleted';

/** What every process keeps of a tenant. */
export interface TenantFacts {
  id: string;
  slug: string;
  name: string;
  type: TenantType;
  status: TenantStatus;
  /** As stored; see settings.ts for what is in it. */
  settings: Readonly<Record<string, unknown>>;
  ipRules: readonly { cidr: string; action: 'allow' | 'deny' }[];
  /** Verified ones. */
  domains: readonly string[];
  /** By metric; what is absent is unlimited. */
  limits: Readonly<Record<string, number>>;
}

export interface TenantCache {
  /** Of any status; undefined where there is none. */
  find(id: string): Promise<TenantFacts | undefined>;
  /** By id or slug. */
  findByName(idOrSlug: string): Promise<TenantFacts | undefined>;
  /** After a change of ours: the next question reads again. */
  drop(id: string): void;
}
