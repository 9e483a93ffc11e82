/** Refuse whoever comes while the service does not answer, or let another factor that the person has set up stand in. */
export type WhenUnavailable = 'refuse' | 'other-factor';

/** A tenant's own service for second factors, as sign-in asks it. */
export interface SecondFactorService {
  tenantId: string;
  /** Another one with every change. */
  revision: string;
  /** Without a slash at its end. */
  url: string;
  token: string;
  /** Names of roles of the tenant; empty: everybody at home there. */
  roles: readonly string[];
  whenUnavailable: WhenUnavailable;
}

export interface SecondFactorServices {
  /** Undefined where the tenant has none. */
  of(tenantId: string): Promise<SecondFactorService | undefined>;
  /** After a change of ours: the next question reads again. */
  drop(tenantId: string): void;
}
