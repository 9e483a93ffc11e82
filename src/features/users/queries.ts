import { invalidInput, notFound } from '../../core/errors.ts';
import { isId } from '../../core/ids.ts';
import { type Page, type PageRequest, pageOf, readCursor } from '../../core/page.ts';
import type { Scope } from '../../core/scope.ts';
import { isStorable } from '../../http/json.ts';
import type { Database } from '../../infra/postgres.ts';
import type { RoleBooks } from '../roles/index.ts';
import { emailKey, phoneNumber, usernameKey } from './names.ts';
import { listUsers, type UserOrder } from './search-store.ts';
import { findUser, type UserRow } from './store.ts';

export interface UserQueryDeps {
  db: Database;
}

/** A person whom this tenant sees. Throws 404 `user.not_found`. */
export async function getUser({ db }: UserQueryDeps, scope: Scope, id: string): Promise<UserRow> {
  const found = isId(id) ? await db.transaction((sql) => findUser(sql, scope.tenantId, id), { tenantId: scope.tenantId }) : undefined;
  if (!found) throw notFound('user');
  return found;
}

export interface UserSearch {
  email?: string | undefined;
  username?: string | undefined;
  phone?: string | undefined;
  status?: 'active' | 'disabled' | undefined;
  roleName?: string | undefined;
  roleId?: string | undefined;
  groupId?: string | undefined;
  q?: string | undefined;
  sort?: UserOrder | undefined;
}

/** What cannot be one of ours is nobody's. */
const NOBODY = '00000000-0000-0000-0000-000000000000';

/** The people of this tenant: who is at home in it and who is its member; a search by name, else by the time they were made, unless told. */
export async function pageOfUsers(
  { db, roles }: UserQueryDeps & { roles: Pick<RoleBooks, 'of'> },
  scope: Scope,
  page: PageRequest,
  search: UserSearch,
): Promise<Page<UserRow>> {
  const order = search.sort ?? (search.q === undefined ? 'createdAt' : 'name');
  const filter = {
    emailKey: search.email === undefined ? undefined : (emailKey(search.email) ?? ''),
    usernameKey: search.username === undefined ? undefined : (usernameKey(search.username) ?? ''),
    phone: search.phone === undefined ? undefined : (phoneNumber(search.phone) ?? ''),
    platform: scope.platform,
    status: search.status,
    roleId: await roleOf(roles, scope, search),
    groupId: search.groupId,
    beginning: search.q?.normalize('NFKC').toLowerCase(),
  };
  const after = positionOf(page.cursor, order);
  const rows = await db.transaction((sql) => listUsers(sql, scope.tenantId, filter, order, page.limit + 1, after), {
    tenantId: scope.tenantId,
  });
  return pageOf(
    rows,
    page.limit,
    (row) => [order, row.position ?? '', row.id],
    (row) => row,
  );
}

async function roleOf(roles: Pick<RoleBooks, 'of'>, scope: Scope, { roleId, roleName }: UserSearch): Promise<string | undefined> {
  if (roleName === undefined) return roleId;
  const named = (await roles.of(scope.tenantId)).roles.find(({ name }) => name === roleName)?.id ?? NOBODY;
  return roleId === undefined || roleId === named ? named : NOBODY;
}

function positionOf(cursor: string | undefined, order: UserOrder): readonly [string, string] | undefined {
  if (cursor === undefined) return undefined;
  const [of, position = '', id = '', ...rest] = readCursor(cursor) ?? [];
  if (of !== order || !isId(id) || !isStorable(position) || rest.length > 0)
    throw invalidInput([{ pointer: '/cursor', message: 'is not a cursor of this list' }]);
  return [position, id];
}
