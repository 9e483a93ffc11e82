import type { Connection } from '../../features/connections/index.ts';

/** A button on the sign-in page. */
export type Offered = Pick<Connection, 'id' | 'key' | 'kind' | 'name'> & {
  /** Addresses of some domain lead to it. */
  leads: boolean;
};

/** By key or id; where two tenants have the same key, the one that is signed in at comes first. */
export const byName = (offered: readonly Offered[], name: unknown): Offered | undefined =>
  offered.find(({ id, key }) => key === name || id === name);
