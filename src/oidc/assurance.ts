/** How sure we are of who signed in. */
import type { CachedClient } from '../features/clients/index.ts';

/** Weakest first. */
export const ACR = ['urn:gatehouse:acr:1fa', 'urn:gatehouse:acr:2fa', 'phr'] as const;

const ORDER: readonly string[] = ACR;

/** Its place among ours; below all of them where it is none. */
export const rank = (acr: string | undefined): number => (acr === undefined ? -1 : ORDER.indexOf(acr));

export interface Assurance {
  /** The least assurance that policy asks of this person at this client, and in this tenant once it is known, whether they have the factors or not. */
  required(userId: string, client: CachedClient, tenantId?: string): Promise<string>;
  /** The best assurance that the person's factors can reach. */
  reachable(userId: string): Promise<string>;
}
