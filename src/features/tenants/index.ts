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
