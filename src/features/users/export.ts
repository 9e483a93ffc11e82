import type { Scope } from '../../core/scope.ts';
import type { UserQueryDeps } from './queries.ts';
import { type UserView, userView } from './schema.ts';
import { listUsers } from './search-store.ts';

const BATCH = 500;

/** Everybody of the tenant, as its lists show them, batch by batch; each is read when the one before was taken. */
export async function* exportUsers({ db }: UserQueryDeps, scope: Scope): AsyncGenerator<UserView, void, undefined> {
  const { tenantId, platform } = scope;
  for (let after: readonly [string, string] | undefined; ; ) {
    const from = after;
    const rows = await db.transaction((sql) => listUsers(sql, tenantId, { platform }, 'createdAt', BATCH, from), { tenantId });
    for (const row of rows) yield userView(scope, row);
    const last = rows.at(-1);
    if (!last || rows.length < BATCH) return;
    after = ['', last.id];
  }
}
