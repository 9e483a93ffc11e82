import type { LimitSet } from '../../core/tenant-limits.ts';
import type { NamedRow } from '../../infra/named-rows.ts';
import type { Sql } from '../../infra/postgres.ts';
import type { StoredSettings } from './settings.ts';
import type { TemplateInput } from './templates-schema.ts';

export interface TemplateRow extends NamedRow {
  type: 'personal' | 'team' | 'enterprise';
  roles: NonNullable<TemplateInput['roles']>;
  attribute_definitions: NonNullable<TemplateInput['attributeDefinitions']>;
  settings: StoredSettings;
  limits: LimitSet;
}

/** The first limits of a tenant of its own. */
export async function giveLimits(sql: Sql, tenantId: string, limits: LimitSet): Promise<void> {
  await sql('tenant_limits').insert({ tenant_id: tenantId, limits: JSON.stringify(limits) });
  await sql.raw('select apply_limits(?)', [tenantId]);
}

/** As it is until the transaction ends. */
export const keepTemplate = (sql: Sql, id: string): Promise<TemplateRow | undefined> =>
  sql('tenant_templates')
    .where({ id })
    .forShare()
    .first()
    .then((row: TemplateRow | undefined) => row);
