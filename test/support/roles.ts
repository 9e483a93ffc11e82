import { bookOf } from '#src/features/roles/book.ts';
import type { RoleBooks } from '#src/features/roles/index.ts';
import { readRoles } from '#src/features/roles/protocol-store.ts';
import type { Database } from '#src/infra/postgres.ts';

/** Roles as they are in the database at each question. */
export const rolesNow = (db: Database): RoleBooks => ({ of: async (tenantId) => bookOf(await readRoles(db, tenantId)), drop: () => {} });

/** The same, read once for each tenant, as a warm server has them. */
export function rolesKept(db: Database): RoleBooks {
  const books = new Map<string, ReturnType<RoleBooks['of']>>();
  const now = rolesNow(db);
  return {
    of(tenantId) {
      const book = books.get(tenantId) ?? now.of(tenantId);
      books.set(tenantId, book);
      return book;
    },
    drop: (tenantId) => void books.delete(tenantId),
  };
}

interface Owner {
  query(text: string, values: unknown[]): Promise<unknown>;
}

/** Makes the person a member of the tenant with that role, past the API. */
export async function giveRole(owner: Owner, tenantId: string, userId: string, roleName: string): Promise<void> {
  await owner.query('insert into memberships (tenant_id, user_id) values ($1, $2) on conflict do nothing', [tenantId, userId]);
  await owner.query(
    `insert into role_assignments (id, tenant_id, role_id, user_id) select gen_random_uuid(), tenant_id, id, $2 from roles where tenant_id = $1 and name = $3
     on conflict do nothing`,
    [tenantId, userId, roleName],
  );
}
