/** Attribute groups: what a console shows together. */
import { AppError, notFound } from '../../core/errors.ts';
import { newId } from '../../core/ids.ts';
import type { Scope } from '../../core/scope.ts';
import { checkIfMatch } from '../../http/etag.ts';
import { type Sql, violatedUnique } from '../../infra/postgres.ts';
import type { AttributeDeps } from './commands.ts';
import type { GroupChange, NewGroup } from './schema.ts';
import { type AttributeGroupRow, deleteRow, findRow, insertRow, listRows, updateRow } from './store.ts';

const TABLE = 'attribute_groups';
const nameTaken = (): AppError => new AppError('attribute_group.name_taken', 409, 'An attribute group of the tenant has this name already');
const inUse = (): AppError => new AppError('attribute_group.in_use', 409, 'Attributes are defined in this group');

/** Throws 409 `attribute_group.name_taken`. */
export const createGroup = (deps: AttributeDeps, scope: Scope, input: NewGroup): Promise<AttributeGroupRow> =>
  deps.transact(scope, async ({ sql, record }) => {
    const values = { name: input.name.normalize('NFC'), description: input.description ?? null };
    const row = await insertRow(sql, TABLE, scope.tenantId, newId(), values).catch(taken);
    record({ type: 'attribute_group.created', outcome: 'success', target: { type: 'attribute_group', id: row.id } });
    return row;
  });

/** Changes what is named. Throws 404, 409, 412. */
export const changeGroup = (
  deps: AttributeDeps,
  scope: Scope,
  id: string,
  change: GroupChange,
  ifMatch?: string,
): Promise<AttributeGroupRow> =>
  deps.transact(scope, async ({ sql, record }) => {
    const before = await heldGroup(sql, scope, id, ifMatch);
    const { name = before.name, description = before.description } = change;
    const values = { name: name.normalize('NFC'), description };
    const fields = (['name', 'description'] as const).filter((field) => before[field] !== values[field]);
    if (fields.length === 0) return before;
    const row = await updateRow(sql, TABLE, scope.tenantId, id, values).catch(taken);
    record({ type: 'attribute_group.changed', outcome: 'success', target: { type: 'attribute_group', id }, data: { fields } });
    return row;
  });

/** Throws 404, 412, 409 `attribute_group.in_use`. */
export async function deleteGroup(deps: AttributeDeps, scope: Scope, id: string, ifMatch?: string): Promise<void> {
  await deps.transact(scope, async ({ sql, record }) => {
    await heldGroup(sql, scope, id, ifMatch);
    // Nobody refers to it anew while it is held.
    const [used] = await listRows(sql, 'attribute_definitions', scope.tenantId, { attribute_group_id: id }, 1, undefined);
    if (used) throw inUse();
    await deleteRow(sql, TABLE, scope.tenantId, id);
    record({ type: 'attribute_group.deleted', outcome: 'success', target: { type: 'attribute_group', id } });
  });
}

async function heldGroup(sql: Sql, scope: Scope, id: string, ifMatch: string | undefined): Promise<AttributeGroupRow> {
  const row = await findRow(sql, TABLE, scope.tenantId, id, true);
  if (!row) throw notFound('attribute_group');
  checkIfMatch(ifMatch, row.version);
  return row;
}

function taken(error: unknown): never {
  throw violatedUnique(error) ? nameTaken() : error;
}
