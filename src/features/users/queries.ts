import { invalidInput, notFound } from '../../core/errors.ts';
import { isId } from '../../core/ids.ts';
import { type Page, type PageRequest, pageOf, readCursor } from '../../core/page.ts';
import type { Scope } from '../../core/scope.ts';
import type { Database } from '../../infra/postgres.ts';
import { emailKey, usernameKey } from './names.ts';
import { findUser, listUsers, type UserRow } from './store.ts';

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
  status?: 'active' | 'disabled' | undefined;
  q?: string | undefined;
  sort?: 'createdAt' | '-createdAt' | undefined;
}

/** The people of this tenant: who is at home in it and who is its member, by the time they were made. */
export async function pageOfUsers({ db }: UserQueryDeps, scope: Scope, page: PageRequest, search: UserSearch): Promise<Page<UserRow>> {
  const filter = {
    // What cannot be a name of ours is nobody's.
    emailKey: search.email === undefined ? undefined : (emailKey(search.email) ?? ''),
    usernameKey: search.username === undefined ? undefined : (usernameKey(search.username) ?? ''),
    status: search.status,
    beginning: search.q === undefined ? undefined : beginningOf(search.q.normalize('NFC')),
    newestFirst: search.sort === '-createdAt',
  };
  const [position, id] = readCursor(page.cursor) ?? [];
  const after = position !== undefined && id !== undefined && isPosition(position) && isId(id) ? ([position, id] as const) : undefined;
  if (page.cursor !== undefined && !after) throw invalidInput([{ pointer: '/cursor', message: 'is not a cursor of this list' }]);
  const rows = await db.transaction((sql) => listUsers(sql, scope.tenantId, filter, page.limit + 1, after), { tenantId: scope.tenantId });
  return pageOf(
    rows,
    page.limit,
    (row) => [row.position, row.id],
    (row) => row,
  );
}

function beginningOf(text: string): { key: string; spellings: string[] } {
  const key = text.toLowerCase();
  const [first = '', ...rest] = key;
  return { key, spellings: [text, `${first.toUpperCase()}${rest.join('')}`] };
}

const isPosition = (text: string): boolean =>
  text.length < 40 && !Number.isNaN(Date.parse(text.replace(' ', 'T').replace(/([+-]\d\d)$/, '$1:00')));
