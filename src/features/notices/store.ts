import type { Database, Sql } from '../../infra/postgres.ts';
import type { Agreement, CurrentNotice, NoticeKind, NoticeUrls } from './index.ts';

export interface NoticeRow {
  id: string;
  tenant_id: string;
  kind: NoticeKind;
  label: string;
  url: string;
  urls: NoticeUrls;
  published_at: Date | null;
  version: number;
  created_at: Date;
  updated_at: Date;
}

export type NoticeValues = Pick<NoticeRow, 'kind' | 'label' | 'url' | 'urls'>;

export const findNotice = (sql: Sql, tenantId: string, id: string): Promise<NoticeRow | undefined> =>
  sql<NoticeRow>('notices').where({ tenant_id: tenantId, id }).first();

export const lockNotice = (sql: Sql, tenantId: string, id: string): Promise<NoticeRow | undefined> =>
  sql<NoticeRow>('notices').where({ tenant_id: tenantId, id }).forUpdate().first();

export async function insertNotice(sql: Sql, tenantId: string, id: string, values: NoticeValues): Promise<NoticeRow> {
  const [row] = await sql('notices')
    .insert({ ...values, id, tenant_id: tenantId })
    .returning<NoticeRow[]>('*');
  return row!;
}

export async function updateNotice(
  sql: Sql,
  tenantId: string,
  id: string,
  values: Partial<NoticeValues & Pick<NoticeRow, 'published_at'>>,
): Promise<NoticeRow> {
  const [row] = await sql('notices')
    .where({ tenant_id: tenantId, id })
    .update({ ...values, version: sql.raw('version + 1'), updated_at: sql.raw('clock_timestamp()') })
    .returning<NoticeRow[]>('*');
  return row!;
}

export const deleteNotice = (sql: Sql, tenantId: string, id: string): Promise<number> =>
  sql('notices').where({ tenant_id: tenantId, id }).delete();

/** `position` is the instant of creation in microseconds since the epoch. */
export function listNotices(
  sql: Sql,
  tenantId: string,
  limit: number,
  after: readonly [string, string] | undefined,
  kind: NoticeKind | undefined,
): Promise<(NoticeRow & { position: string })[]> {
  const query = sql('notices')
    .select<(NoticeRow & { position: string })[]>('*', sql.raw('floor(extract(epoch from created_at) * 1000000)::text as position'))
    .where({ tenant_id: tenantId })
    .orderBy(['created_at', 'id'])
    .limit(limit);
  if (kind !== undefined) query.where({ kind });
  if (after) query.whereRaw(`(created_at, id) > (timestamptz 'epoch' + ?::bigint * interval '1 microsecond', ?::uuid)`, [...after]);
  return query.then((rows) => rows);
}

export async function currentNotices(db: Database, tenantId: string): Promise<CurrentNotice[]> {
  const [row] = await db.query<{ notices: CurrentNotice[] }>(
    { name: 'notices-current', text: 'select notices_for_protocol($1) as notices' },
    [tenantId],
  );
  return row?.notices ?? [];
}

/** Which of the notices the tenant has published. */
export const publishedOf = (sql: Sql, tenantId: string, ids: readonly string[]): Promise<{ id: string; kind: NoticeKind }[]> =>
  sql('notices')
    .where({ tenant_id: tenantId })
    .whereIn('id', [...ids])
    .whereNotNull('published_at')
    .select<{ id: string; kind: NoticeKind }[]>('id', 'kind')
    .then((rows) => rows);

/** Which of the notices the person has agreed to, and not taken that back. */
export async function agreedOf(db: Database, userId: string, noticeIds: readonly string[]): Promise<string[]> {
  const rows = await db.query<{ id: string }>(
    {
      name: 'notices-agreed',
      text: 'select notice_id as id from agreements where user_id = $1 and notice_id = any($2::uuid[]) and withdrawn_at is null',
    },
    [userId, [...noticeIds]],
  );
  return rows.map(({ id }) => id);
}

/** Keeps that the person agrees, from now on. Answers those that were not agreed to before. */
export async function agree(sql: Sql, userId: string, noticeIds: readonly string[], at: Date): Promise<string[]> {
  const { rows } = await sql.raw<{ rows: { notice_id: string }[] }>(
    `insert into agreements as a (user_id, notice_id, agreed_at) select ?, unnest(?::uuid[]), ?
     on conflict (user_id, notice_id) do update set agreed_at = excluded.agreed_at, withdrawn_at = null where a.withdrawn_at is not null
     returning notice_id`,
    [userId, [...noticeIds], at],
  );
  return rows.map(({ notice_id: id }) => id);
}

/** Holds the person first, as whoever signs them in and whoever ends their access does. */
export const lockPerson = async (sql: Sql, userId: string): Promise<void> =>
  void (await sql.raw('select 1 from users where id = ? for no key update', [userId]));

/** Answers whether there was an agreement that held. */
export async function withdraw(sql: Sql, userId: string, noticeId: string, at: Date): Promise<boolean> {
  return (await sql('agreements').where({ user_id: userId, notice_id: noticeId, withdrawn_at: null }).update({ withdrawn_at: at })) > 0;
}

interface AgreementRow {
  notice_id: string;
  kind: NoticeKind;
  label: string;
  url: string;
  urls: NoticeUrls;
  tenant_id: string;
  tenant_name: string;
  agreed_at: Date;
  withdrawn_at: Date | null;
}

/** Of every tenant, newest first. */
export async function agreementsOf(db: Database, userId: string): Promise<Agreement[]> {
  const rows = await db.query<AgreementRow>({ name: 'agreements-of', text: 'select * from agreements_of($1)' }, [userId]);
  return rows.map((row) => ({
    noticeId: row.notice_id,
    kind: row.kind,
    label: row.label,
    url: row.url,
    urls: row.urls,
    tenantId: row.tenant_id,
    tenantName: row.tenant_name,
    agreedAt: row.agreed_at,
    withdrawnAt: row.withdrawn_at ?? undefined,
  }));
}
