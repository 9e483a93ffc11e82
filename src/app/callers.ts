/** Who calls our API: by access token or by API key. */
import type { Config } from '../config.ts';
import type { Clock } from '../core/clock.ts';
import { createApiKeyUses } from '../features/api-keys/uses.ts';
import type { RoleBooks } from '../features/roles/index.ts';
import type { Database } from '../infra/postgres.ts';
import { createApiKeyDoor } from '../oidc/api-keys.ts';
import { createAuthenticate } from '../oidc/authenticate.ts';
import type { Protocol } from './protocol.ts';

export interface CallerParts {
  config: Config;
  clock: Clock;
  db: Database;
  roles: RoleBooks;
  protocol: Protocol;
  warn(text: string, error?: unknown): void;
  /** The tenant whose own issuer the request came to; undefined at the installation's. */
  ownTenant(): string | undefined;
}

export function createCallers({ config, clock, db, roles, protocol, warn, ownTenant }: CallerParts) {
  const { tokens, failures } = protocol;
  const uses = createApiKeyUses({ db, clock, log: warn });
  const keys = createApiKeyDoor({ db, clock, roles, uses });
  return {
    keys,
    authenticate: createAuthenticate({ db, clock, tokens, baseIssuer: config.issuer, roles, keys, failures, ownTenant }),
    close: uses.close,
  };
}
