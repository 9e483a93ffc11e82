import { isDeepStrictEqual } from 'node:util';
import { AppError, type FieldError, invalidInput, notFound } from '../../core/errors.ts';
import { newId } from '../../core/ids.ts';
import type { Scope } from '../../core/scope.ts';
import { checkIfMatch } from '../../http/etag.ts';
import { type Sql, violatedUnique } from '../../infra/postgres.ts';
import type { Transact } from '../audit/index.ts';
import { sourcesOf } from './check.ts';
import type { NewDefinition } from './index.ts';
import type { DefinitionChange } from './schema.ts';
import { type DefinitionRow, type DefinitionValues, deleteRow, findRow, insertRow, keepGroup, updateRow } from './store.ts';
import { hasValues } from './values-store.ts';

export interface AttributeDeps {
  transact: Transact;
}

const TABLE = 'attribute_definitions';
const pathTaken = (): AppError => new AppError('attribute.path_taken', 409, 'This path is defined already');
const inUse = (): AppError =>
  new AppError('attribute.in_use', 409, 'There are values at this path', {
    detail: 'While there are, its path, type, cardinality and source stay, and so does the definition.',
  });

/** Defines what stands at a path. Throws 409 `attribute.path_taken`, 422. */
export const createDefinition = (deps: AttributeDeps, scope: Scope, input: NewDefinition): Promise<DefinitionRow> =>
  deps.transact(scope, async ({ sql, record }) => {
    const row = await addDefinition(sql, scope.tenantId, input);
    record({ type: 'attribute.created', outcome: 'success', target: { type: 'attribute', id: row.id } });
    return row;
  });

async function addDefinition(sql: Sql, tenantId: string, input: NewDefinition): Promise<DefinitionRow> {
  const values = await judge(sql, tenantId, input);
  return insertRow(sql, TABLE, tenantId, newId(), values).catch(taken);
}

/** Makes the definitions of a template in a tenant, within the transaction of whoever applies it. Throws 409, 422. */
export async function createDefinitions(sql: Sql, tenantId: string, definitions: readonly NewDefinition[]): Promise<void> {
  for (const definition of definitions) await addDefinition(sql, tenantId, definition);
}

/** Changes what is named; null clears. Throws 404, 412, 422, 409 `attribute.path_taken`, and `attribute.in_use` where values would not fit any more. */
export const changeDefinition = (
  deps: AttributeDeps,
  scope: Scope,
  id: string,
  change: DefinitionChange,
  ifMatch?: string,
): Promise<DefinitionRow> =>
  deps.transact(scope, async ({ sql, record }) => {
    const before = await heldDefinition(sql, scope, id, ifMatch);
    const values = await judge(sql, scope.tenantId, { ...inputOf(before), ...change });
    const fields = (Object.keys(values) as (keyof DefinitionValues)[]).filter((field) => !isDeepStrictEqual(before[field], values[field]));
    if (fields.length === 0) return before;
    const touchesValues = (['path', 'type', 'cardinality', 'source'] as const).some((field) => fields.includes(field));
    if (touchesValues && (await hasValues(sql, scope.tenantId, before.path))) throw inUse();
    const row = await updateRow(sql, TABLE, scope.tenantId, id, values).catch(taken);
    record({ type: 'attribute.changed', outcome: 'success', target: { type: 'attribute', id }, data: { fields } });
    return row;
  });

/** Throws 404, 412, 409 `attribute.in_use`. */
export async function deleteDefinition(deps: AttributeDeps, scope: Scope, id: string, ifMatch?: string): Promise<void> {
  await deps.transact(scope, async ({ sql, record }) => {
    const before = await heldDefinition(sql, scope, id, ifMatch);
    if (await hasValues(sql, scope.tenantId, before.path)) throw inUse();
    await deleteRow(sql, TABLE, scope.tenantId, id);
    record({ type: 'attribute.deleted', outcome: 'success', target: { type: 'attribute', id } });
  });
}

async function heldDefinition(sql: Sql, scope: Scope, id: string, ifMatch: string | undefined): Promise<DefinitionRow> {
  const row = await findRow(sql, TABLE, scope.tenantId, id, true);
  if (!row) throw notFound('attribute');
  checkIfMatch(ifMatch, row.version);
  return row;
}

async function judge(sql: Sql, tenantId: string, input: NewDefinition): Promise<DefinitionValues> {
  const errors: FieldError[] = [];
  const sources = sourcesOf(input.path);
  const source = input.source ?? sources[0]!;
  if (!sources.includes(source)) errors.push({ pointer: '/source', message: `can only be ${sources.join(' or ')} at such a path` });
  const groupId = input.attributeGroupId ?? null;
  if (groupId !== null && !(await keepGroup(sql, tenantId, groupId)))
    errors.push({ pointer: '/attributeGroupId', message: 'is no attribute group of this tenant' });
  if (errors.length > 0) throw invalidInput(errors);
  return {
    path: input.path,
    type: input.type,
    cardinality: input.cardinality ?? 'one',
    source,
    attribute_group_id: groupId,
    personal_data: input.personalData ?? false,
    description: input.description ?? null,
  };
}

const inputOf = (row: DefinitionRow): NewDefinition => ({
  path: row.path,
  type: row.type,
  cardinality: row.cardinality,
  source: row.source,
  attributeGroupId: row.attribute_group_id,
  personalData: row.personal_data,
  description: row.description,
});

function taken(error: unknown): never {
  throw violatedUnique(error) ? pathTaken() : error;
}
