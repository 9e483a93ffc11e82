import { isId } from '../../core/ids.ts';
import type { Sql } from '../../infra/postgres.ts';
import type { AttributeEntity, AttributeValues } from './index.ts';

export interface StoredValues {
  attributes: AttributeValues;
  version: number;
}

/** The rows that values are of, as the tenant has them; of people, the memberships. */
const OWNERS = {
  group: 'select from groups where tenant_id = ? and id = ?',
  client: 'select from clients where tenant_id = ? and client_id = ?',
  resource: 'select from resources where tenant_id = ? and id = ?',
  tenant: 'select from tenants where id = ? and id = ?',
} as const;

/** What the tenant keeps of an entity of its own; undefined where there is no such entity. Version 1 is that of nothing. */
export async function findValues(sql: Sql, tenantId: string, entity: AttributeEntity, id: string): Promise<StoredValues | undefined> {
  if (entity !== 'client' && !isId(id)) return undefined;
  const { rows } =
    entity === 'user'
      ? await sql.raw<{ rows: StoredValues[] }>('select attributes, version from memberships where tenant_id = ? and user_id = ?', [
          tenantId,
          id,
        ])
      : await sql.raw<{ rows: StoredValues[] }>(
          `select coalesce(v.attributes, '{}') as attributes, coalesce(v.version, 1) as version
           from (select ?::uuid as tenant_id) as t left join attribute_values v on v.tenant_id = t.tenant_id and v.entity = ? and v.entity_id = ?
           where exists (${OWNERS[entity]})`,
          [tenantId, entity, id, tenantId, id],
        );
  return rows[0];
}

/** The same, held until the transaction ends. */
export async function lockValues(sql: Sql, tenantId: string, entity: AttributeEntity, id: string): Promise<StoredValues | undefined> {
  if (entity !== 'client' && !isId(id)) return undefined;
  if (entity === 'user') {
    // Whoever changes a person as a whole holds the person.
    await sql.raw(
      'select 1 from users u join memberships m on m.tenant_id = ? and m.user_id = u.id where u.id = ? for no key update of u',
      [tenantId, id],
    );
    const { rows } = await sql.raw<{ rows: StoredValues[] }>(
      'select attributes, version from memberships where tenant_id = ? and user_id = ? for no key update',
      [tenantId, id],
    );
    return rows[0];
  }
  // The entity stays while it gets values.
  const { rows: owners } = await sql.raw<{ rows: unknown[] }>(`${OWNERS[entity]} for key share`, [tenantId, id]);
  if (owners.length === 0) return undefined;
  await sql.raw('insert into attribute_values (tenant_id, entity, entity_id) values (?, ?, ?) on conflict do nothing', [
    tenantId,
    entity,
    id,
  ]);
  const { rows } = await sql.raw<{ rows: StoredValues[] }>(
    'select attributes, version from attribute_values where tenant_id = ? and entity = ? and entity_id = ? for update',
    [tenantId, entity, id],
  );
  return rows[0];
}

/** Answers the new version. */
export async function storeValues(
  sql: Sql,
  tenantId: string,
  entity: AttributeEntity,
  id: string,
  attributes: AttributeValues,
): Promise<number> {
  const { rows } =
    entity === 'user'
      ? await sql.raw<{ rows: { version: number }[] }>(
          'update memberships set attributes = ?, version = version + 1 where tenant_id = ? and user_id = ? returning version',
          [JSON.stringify(attributes), tenantId, id],
        )
      : await sql.raw<{ rows: { version: number }[] }>(
          `update attribute_values set attributes = ?, version = version + 1, updated_at = clock_timestamp()
           where tenant_id = ? and entity = ? and entity_id = ? returning version`,
          [JSON.stringify(attributes), tenantId, entity, id],
        );
  return rows[0]!.version;
}

/** Whether anything of the tenant has a value at this path. */
export async function hasValues(sql: Sql, tenantId: string, path: string): Promise<boolean> {
  const [prefix, name] = [path.slice(0, path.indexOf('.')), path.slice(path.indexOf('.') + 1)];
  if (prefix !== 'user' && prefix !== 'resource') return false;
  const table = prefix === 'user' ? 'memberships' : 'attribute_values';
  const { rows } = await sql.raw<{ rows: { found: boolean }[] }>(
    `select exists (select from ${table} where tenant_id = ? and jsonb_exists(attributes, ?)) as found`,
    [tenantId, name],
  );
  return rows[0]?.found === true;
}
