/** What a person signs in with beside a password: an authenticator app, passkeys, recovery codes. */

export const FACTOR_TYPES = ['totp', 'passkey', 'recovery-code'] as const;
export type FactorType = (typeof FACTOR_TYPES)[number];

/** One row of `credentials`, less what it holds. */
export interface Factor {
  id: string;
  type: FactorType;
  /** What the person calls it. */
  name: string | undefined;
  createdAt: Date;
  lastUsedAt: Date | undefined;
  /** Of recovery codes: how many still work. */
  codesLeft: number | undefined;
}

/** A second factor that the person’s organisation has proven at a service of its own; theirs to use, and not to change. */
export interface OrganizationFactor {
  /** The method that asks for it. */
  method: 'external-2fa' | 'external-oidc';
  /** Host of the service. */
  host: string;
}

/** What was proven to belong to the person, to be kept. */
export interface NewFactor {
  type: Exclude<FactorType, 'recovery-code'>;
  name: string;
  data: object;
  /** Sealed with the context `credential:<id>`. */
  secret?: string | undefined;
  /** What the factor names itself by, unique among those of its type. */
  lookup?: string | undefined;
}

/** What happened to somebody's factors, for the mail about it. */
export type FactorChange =
  | 'totp_added'
  | 'totp_removed'
  | 'passkey_added'
  | 'passkey_removed'
  | 'codes_made'
  | 'codes_removed'
  | 'password_removed';
