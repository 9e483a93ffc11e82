import type { Connection } from '../../features/connections/index.ts';
import { SOCIAL } from '../methods/social.ts';
import type { TenantLoginSettings } from '../policy.ts';

/** A button on the sign-in page. */
export type Offered = Pick<Connection, 'id' | 'key' | 'kind' | 'name'> & {
  /** Addresses of some domain lead to it. */
  leads: boolean;
};

/** By key or id; where two tenants have the same key, the one that is signed in at comes first. */
export const byName = (offered: readonly Offered[], name: unknown): Offered | undefined =>
  offered.find(({ id, key }) => key === name || id === name);

/** Whether the tenant whose connection it is lets people sign in by it. */
export const mayUse = ({ methods }: Pick<TenantLoginSettings, 'methods'>, { key }: Pick<Connection, 'key'>): boolean =>
  !methods || methods.includes(SOCIAL) || methods.includes(`${SOCIAL}:${key}`);
