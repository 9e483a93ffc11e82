/** Lists and searches of people: each goes along one index, whatever the size of the tenant. */
import type { Sql } from '../../infra/postgres.ts';
import { SHOWN, type UserRow } from './store.ts';

export interface UserFilter {
  emailKey?: string | undefined;
  usernameKey?: string | undefined;
  /** Of people at home in the tenant, unless `platform`: nobody else sees the number. */
  phone?: string | undefined;
  platform: boolean;
  status?: 'active' | 'disabled' | undefined;
  roleId?: string | undefined;
  groupId?: string | undefined;
  /** What a user name, address, number or name begins with, in lower case. */
  beginning?: string | undefined;
}

/** By time of creation, which ids of version 7 are ordered by too; or by name. */
export type UserOrder = 'createdAt' | '-createdAt' | 'name';

export interface ListedUser extends UserRow {
  /** The name under which the person is listed, where the order is by name. */
  position: string | null;
}

// The end of everything that begins so: no text has a later character.
const FROM_TO = `n.name >= ? and n.name < ? || chr(1114111)`;

// Along the memberships: along all people, in the same order, would pass by whoever is of other tenants, a million of them it may be.
const ONE_BY_ONE = 'cross join lateral (select * from users where users.id = m.user_id offset 0) as u';

/** At most `limit` people after the position. A person who bears several of the names that are asked for comes once, by the first. */
export async function listUsers(
  sql: Sql,
  tenantId: string,
  filter: UserFilter,
  order: UserOrder,
  limit: number,
  after?: readonly [position: string, id: string],
): Promise<ListedUser[]> {
  const byName = order === 'name';
  const begin = filter.beginning ?? '';
  const query = sql('memberships as m').where('m.tenant_id', tenantId).limit(limit);
  const { emailKey, usernameKey, phone, status } = filter;
  const isFoundByUser = emailKey !== undefined || usernameKey !== undefined || phone !== undefined || status === 'disabled';
  if (byName || isFoundByUser) query.join('users as u', 'u.id', 'm.user_id');
  else query.joinRaw(ONE_BY_ONE);
  if (byName) {
    query
      .select<ListedUser[]>(sql.raw(`${SHOWN}, n.name as position`))
      .join('member_names as n', (on) => on.on('n.tenant_id', 'm.tenant_id').on('n.user_id', 'm.user_id'))
      .where('n.tenant_id', tenantId)
      .whereRaw(FROM_TO, [begin, begin])
      .whereRaw(
        'not exists (select from member_names p where p.tenant_id = n.tenant_id and p.user_id = n.user_id and p.name < n.name and p.name >= ?)',
        [begin],
      )
      .orderBy([{ column: 'n.name' }, { column: 'n.user_id' }]);
    if (after) query.whereRaw('(n.name, n.user_id) > (?, ?::uuid)', [...after]);
  } else {
    const descending = order === '-createdAt';
    query.select<ListedUser[]>(sql.raw(`${SHOWN}, null as position`)).orderBy('m.user_id', descending ? 'desc' : 'asc');
    if (after) query.where('m.user_id', descending ? '<' : '>', after[1]);
    if (filter.beginning !== undefined)
      query.whereRaw(`m.user_id in (select n.user_id from member_names n where n.tenant_id = ? and ${FROM_TO})`, [tenantId, begin, begin]);
  }
  if (filter.emailKey !== undefined) query.where('u.email_key', filter.emailKey);
  if (filter.usernameKey !== undefined) query.where('u.username_key', filter.usernameKey);
  if (filter.phone !== undefined) query.where('u.phone', filter.phone);
  if (filter.phone !== undefined && !filter.platform) query.where('u.home_tenant_id', tenantId);
  // In the text, not as a parameter: disabled people have an index of their own.
  if (filter.status !== undefined) query.whereRaw(filter.status === 'disabled' ? `u.status = 'disabled'` : `u.status = 'active'`);
  if (filter.roleId !== undefined) query.whereRaw(`m.user_id in (${HOLDERS})`, [tenantId, filter.roleId, tenantId, filter.roleId]);
  if (filter.groupId !== undefined)
    query.whereRaw('exists (select from group_members g where g.tenant_id = m.tenant_id and g.user_id = m.user_id and g.group_id = ?)', [
      filter.groupId,
    ]);
  return query;
}

const HOLDERS = `select a.user_id from role_assignments a where a.tenant_id = ? and a.role_id = ? and a.user_id is not null
    and (a.expires_at is null or a.expires_at > clock_timestamp())
  union select g.user_id from role_assignments a join group_members g on g.tenant_id = a.tenant_id and g.group_id = a.group_id
    where a.tenant_id = ? and a.role_id = ? and (a.expires_at is null or a.expires_at > clock_timestamp())`;
