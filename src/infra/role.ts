import type { Database } from './postgres.ts';

const ROLE = {
  name: 'own-role',
  text: `select current_user as name, r.rolsuper as "isSuperuser", r.rolbypassrls as "bypassesRowSecurity",
    exists (select from pg_class c where c.relowner = r.oid and c.relkind in ('r', 'p') and c.relnamespace = 'public'::regnamespace) as "ownsTables"
    from pg_roles r where r.rolname = current_user`,
};

export interface Role {
  name: string;
  isSuperuser: boolean;
  bypassesRowSecurity: boolean;
  ownsTables: boolean;
}

/** What the server is allowed to be in its own database. */
export async function readRole(db: Database): Promise<Role> {
  const [role] = await db.query<Role>(ROLE, []);
  if (!role) throw new Error('the database does not say who we are');
  return role;
}
