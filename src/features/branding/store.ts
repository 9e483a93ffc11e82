import type { Database, Sql } from '../../infra/postgres.ts';
import type { Logos, PictureType } from './index.ts';

export interface LogoRow {
  id: string;
  type: PictureType;
  width: number;
  height: number;
  size: number;
  created_at: Date;
}

export interface NewLogo {
  id: string;
  tenantId: string;
  /** Null: the tenant's own. */
  clientId: string | null;
  type: PictureType;
  bytes: Buffer;
  width: number;
  height: number;
}

const SELECTED = 'id, type, width, height, octet_length(bytes) as size, created_at';

/** Held until the transaction ends. */
export async function lockLogo(sql: Sql, tenantId: string, clientId: string | null): Promise<LogoRow | undefined> {
  const { rows } = await sql.raw<{ rows: LogoRow[] }>(
    `select ${SELECTED} from images where tenant_id = ? and client_id is not distinct from ? for update`,
    [tenantId, clientId],
  );
  return rows[0];
}

export async function findLogo(sql: Sql, tenantId: string, clientId: string | null): Promise<LogoRow | undefined> {
  const { rows } = await sql.raw<{ rows: LogoRow[] }>(
    `select ${SELECTED} from images where tenant_id = ? and client_id is not distinct from ?`,
    [tenantId, clientId],
  );
  return rows[0];
}

/** Instead of the one before, where there is one: under a new id, since pages keep pictures by their id. */
export async function saveLogo(sql: Sql, logo: NewLogo): Promise<LogoRow> {
  const { rows } = await sql.raw<{ rows: LogoRow[] }>(
    `insert into images (id, tenant_id, client_id, type, bytes, width, height) values (?, ?, ?, ?, ?, ?, ?)
     on conflict (tenant_id, client_id) do update set id = excluded.id, type = excluded.type, bytes = excluded.bytes, width = excluded.width,
       height = excluded.height, created_at = clock_timestamp()
     returning ${SELECTED}`,
    [logo.id, logo.tenantId, logo.clientId, logo.type, logo.bytes, logo.width, logo.height],
  );
  return rows[0]!;
}

export const deleteLogo = (sql: Sql, tenantId: string, id: string): Promise<number> =>
  sql('images').where({ tenant_id: tenantId, id }).delete();

const LOGOS = { name: 'logos-for-pages', text: 'select logos_for_pages($1) as logos' };
const IMAGE = { name: 'image-for-pages', text: 'select type, bytes from image_for_pages($1)' };

/** Across tenants: pages are shown before anybody acts in one. */
export async function logosOf(db: Database, tenantId: string): Promise<Logos> {
  const [row] = await db.query<{ logos: Logos }>(LOGOS, [tenantId]);
  return row?.logos ?? { tenant: null, clients: {} };
}

export async function readImage(db: Database, id: string): Promise<{ type: PictureType; bytes: Buffer } | undefined> {
  const [row] = await db.query<{ type: PictureType; bytes: Buffer }>(IMAGE, [id]);
  return row;
}
