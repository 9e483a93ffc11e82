import type { Page, PageRequest } from '../../core/page.ts';
import { pageOf, readPosition } from '../../core/page.ts';
import type { Scope } from '../../core/scope.ts';
import type { Database } from '../../infra/postgres.ts';
import type { ClientWithSecrets } from './commands.ts';
import { clientNotFound } from './errors.ts';
import { type ClientFilter, existingClients, findClient, listClients, secretsOf, secretsOfAll } from './store.ts';

export interface ClientQueryDeps {
  db: Database;
}

/** Throws 404. */
export const getClient = ({ db }: ClientQueryDeps, scope: Scope, clientId: string): Promise<ClientWithSecrets> =>
  db.transaction(
    async (sql) => {
      const row = await findClient(sql, scope.tenantId, clientId);
      if (!row) throw clientNotFound();
      return { row, secrets: await secretsOf(sql, scope.tenantId, clientId) };
    },
    { tenantId: scope.tenantId },
  );

/** In order of registration. */
export const pageOfClients = (
  { db }: ClientQueryDeps,
  scope: Scope,
  { limit, cursor }: PageRequest,
  filter: ClientFilter,
): Promise<Page<ClientWithSecrets>> =>
  db.transaction(
    async (sql) => {
      const rows = await listClients(sql, scope.tenantId, limit + 1, readPosition(cursor), filter);
      const secrets = await secretsOfAll(
        sql,
        scope.tenantId,
        rows.map(({ client_id }) => client_id),
      );
      return pageOf(
        rows,
        limit,
        (row) => [row.position, row.client_id],
        (row) => ({ row, secrets: secrets.filter(({ client_id }) => client_id === row.client_id) }),
      );
    },
    { tenantId: scope.tenantId },
  );

/** Those of `clientIds` that exist in the scope's tenant. */
export const knownClients = ({ db }: ClientQueryDeps, scope: Scope, clientIds: readonly string[]): Promise<string[]> =>
  db.transaction((sql) => existingClients(sql, scope.tenantId, clientIds), { tenantId: scope.tenantId });
