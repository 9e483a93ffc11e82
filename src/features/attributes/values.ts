/** Values of people, groups, clients, resources and the tenant itself: those that the request's tenant keeps. */
import { isDeepStrictEqual } from 'node:util';
import { type FieldError, invalidInput, notFound } from '../../core/errors.ts';
import type { Scope } from '../../core/scope.ts';
import { checkIfMatch } from '../../http/etag.ts';
import { mergePatch } from '../../http/merge-patch.ts';
import type { Database, Sql } from '../../infra/postgres.ts';
import { checkAttributes, checkShape, MOST_VALUES, pathOf } from './check.ts';
import type { AttributeDeps } from './commands.ts';
import type { AttributeDefinition, AttributeEntity, AttributeValues } from './index.ts';
import type { ValuesChange } from './schema.ts';
import { keepDefinitions } from './store.ts';
import { findValues, lockValues, type StoredValues, storeValues } from './values-store.ts';

/** Throws 404 `<entity>.not_found`. */
export async function getValues({ db }: { db: Database }, scope: Scope, entity: AttributeEntity, id: string): Promise<StoredValues> {
  const found = await db.transaction((sql) => findValues(sql, scope.tenantId, entity, id), { tenantId: scope.tenantId });
  if (!found) throw notFound(entity);
  return found;
}

/** Changes what is named; null removes. Throws 404, 412, and 422 where a value is not as its definition says. */
export const changeValues = (
  deps: AttributeDeps,
  scope: Scope,
  entity: AttributeEntity,
  id: string,
  change: ValuesChange,
  ifMatch?: string,
): Promise<StoredValues> =>
  deps.transact(scope, async ({ sql, record }) => {
    const errors = checkAttributes(await definitionsOf(sql, scope.tenantId, entity, Object.keys(change)), entity, change);
    const before = await lockValues(sql, scope.tenantId, entity, id);
    if (!before) throw notFound(entity);
    checkIfMatch(ifMatch, before.version);
    if (errors.length > 0) throw invalidInput(errors);
    const attributes = mergePatch(before.attributes, change) as AttributeValues;
    if (Object.keys(attributes).length > MOST_VALUES)
      throw invalidInput([{ pointer: '', message: `must not leave more than ${MOST_VALUES} values` }]);
    const names = Object.keys(change).filter((name) => !isDeepStrictEqual(before.attributes[name], attributes[name]));
    if (names.length === 0) return before;
    const version = await storeValues(sql, scope.tenantId, entity, id, attributes);
    record({ type: `${entity}.attributes_changed`, outcome: 'success', target: { type: entity, id }, data: { names } });
    return { attributes, version };
  });

/** What is defined for values of these names; it stays so until the transaction ends. */
export const definitionsOf = (
  sql: Sql,
  tenantId: string,
  entity: AttributeEntity,
  names: readonly string[],
): Promise<readonly AttributeDefinition[]> =>
  keepDefinitions(
    sql,
    tenantId,
    names.map((name) => pathOf(entity, name)),
  );

/**
 * For whoever else writes people's values in a tenant: what is wrong with each, by shape and by definition, in one statement for all. What is defined
 * stays so until the transaction ends. Pointers are below `/attributes`.
 */
export async function faultsOfUserValues(
  sql: Sql,
  tenantId: string,
  people: readonly Readonly<Record<string, unknown>>[],
): Promise<FieldError[][]> {
  const names = [...new Set(people.flatMap((values) => Object.keys(values)))];
  const definitions = names.length === 0 ? [] : await definitionsOf(sql, tenantId, 'user', names);
  return people.map((values) => {
    const errors = checkShape(values, '/attributes');
    return errors.length > 0 ? errors : checkAttributes(definitions, 'user', values as AttributeValues, '/attributes');
  });
}

/** The same for one, thrown as 422. */
export async function checkUserValues(sql: Sql, tenantId: string, values: Readonly<Record<string, unknown>>): Promise<void> {
  const [errors = []] = await faultsOfUserValues(sql, tenantId, [values]);
  if (errors.length > 0) throw invalidInput(errors);
}
