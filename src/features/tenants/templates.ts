/** Templates that tenants are made from; the platform's. A tenant that was made keeps nothing of its template. */
import { AppError, type FieldError, invalidInput, notFound } from '../../core/errors.ts';
import { isId, newId } from '../../core/ids.ts';
import { type Page, type PageRequest, pageOf, readPosition } from '../../core/page.ts';
import type { Scope } from '../../core/scope.ts';
import { checkIfMatch } from '../../http/etag.ts';
import { mergePatch } from '../../http/merge-patch.ts';
import { compileBody } from '../../http/validate.ts';
import { deleteNamed, findNamed, insertNamed, listNamed, lockNamed, updateNamed } from '../../infra/named-rows.ts';
import { type Database, type Sql, violatedUnique } from '../../infra/postgres.ts';
import type { Transact, Work } from '../audit/index.ts';
import type { NewRole } from '../roles/index.ts';
import type { OpenTemplate } from './commands.ts';
import { faultsOfSettings } from './settings.ts';
import { TEMPLATE_INPUT, type TemplateInput, type TemplateReplacement } from './templates-schema.ts';
import { giveLimits, keepTemplate, type TemplateRow } from './templates-store.ts';

export interface TemplateDeps {
  db: Database;
  transact: Transact;
  /** Ids of the ways to sign in that there are. */
  methods: readonly string[];
}

export interface TemplateParts {
  /** Makes roles in a tenant, in the transaction of the caller; throws 422. */
  createRoles(sql: Sql, tenantId: string, roles: readonly NewRole[]): Promise<void>;
  /** The same for attribute definitions. */
  createDefinitions(sql: Sql, tenantId: string, definitions: TemplateRow['attribute_definitions']): Promise<void>;
}

const TABLE = 'tenant_templates';
const noun = 'tenant_template';
const target = (id: string) => ({ type: noun, id });
export const templateNotFound = (): AppError => notFound(noun);
const nameTaken = (): AppError => new AppError('tenant_template.name_taken', 409, 'A template has this name already');
const isWhole = compileBody(TEMPLATE_INPUT);

/** For `createTenant`: the template in the transaction that makes the tenant. Throws 422 where there is none. */
export async function openTemplate(parts: TemplateParts, { sql }: Work, id: string): Promise<OpenTemplate> {
  const row = isId(id) ? await keepTemplate(sql, id) : undefined;
  if (!row) throw invalidInput([{ pointer: '/templateId', message: 'is no template of this installation' }]);
  return {
    type: row.type,
    settings: row.settings,
    async apply({ tenantId }: Scope) {
      if (row.roles.length > 0) await parts.createRoles(sql, tenantId, row.roles);
      if (row.attribute_definitions.length > 0) await parts.createDefinitions(sql, tenantId, row.attribute_definitions);
      if (Object.keys(row.limits).length > 0) await giveLimits(sql, tenantId, row.limits);
    },
  };
}

/** Throws 409, 422. */
export function createTemplate(deps: TemplateDeps, scope: Scope, input: TemplateInput): Promise<TemplateRow> {
  const values = judge(deps, input);
  return deps.transact(scope, async ({ sql, record }) => {
    const row = await insertNamed<TemplateRow>(sql, TABLE, newId(), values).catch(taken);
    record({ type: 'tenant_template.created', outcome: 'success', target: target(row.id) });
    return row;
  });
}

/** Throws 404, 409, 412, 422. */
export const replaceTemplate = (deps: TemplateDeps, scope: Scope, id: string, input: TemplateReplacement, ifMatch?: string) =>
  changeTemplate(deps, scope, id, ifMatch, ({ name, type }) => ({ name, type, ...input }));

/** A merge patch (RFC 7396), of the settings too. Throws 404, 409, 412, 422. */
export const patchTemplate = (deps: TemplateDeps, scope: Scope, id: string, patch: object, ifMatch?: string) =>
  changeTemplate(deps, scope, id, ifMatch, (row) => {
    const next = mergePatch(inputOf(row), patch);
    const errors = isWhole(next);
    if (errors.length > 0) throw invalidInput(errors);
    return next as TemplateInput;
  });

function changeTemplate(
  deps: TemplateDeps,
  scope: Scope,
  id: string,
  ifMatch: string | undefined,
  next: (row: TemplateRow) => TemplateInput,
): Promise<TemplateRow> {
  return deps.transact(scope, async ({ sql, record }) => {
    const before = await lockNamed<TemplateRow>(sql, TABLE, id);
    if (!before) throw templateNotFound();
    checkIfMatch(ifMatch, before.version);
    const row = await updateNamed<TemplateRow>(sql, TABLE, id, judge(deps, next(before))).catch(taken);
    record({ type: 'tenant_template.changed', outcome: 'success', target: target(id) });
    return row;
  });
}

/** Tenants that were made from it stay as they are. Throws 404, 412. */
export async function removeTemplate(deps: TemplateDeps, scope: Scope, id: string, ifMatch?: string): Promise<void> {
  await deps.transact(scope, async ({ sql, record }) => {
    const row = await lockNamed(sql, TABLE, id);
    if (!row) throw templateNotFound();
    checkIfMatch(ifMatch, row.version);
    await deleteNamed(sql, TABLE, id);
    record({ type: 'tenant_template.deleted', outcome: 'success', target: target(id) });
  });
}

/** Throws 404. */
export async function getTemplate({ db }: Pick<TemplateDeps, 'db'>, id: string): Promise<TemplateRow> {
  const row = await db.transaction((sql) => findNamed<TemplateRow>(sql, TABLE, id));
  if (!row) throw templateNotFound();
  return row;
}

export async function pageOfTemplates(
  { db }: Pick<TemplateDeps, 'db'>,
  { limit, cursor }: PageRequest,
  name: string | undefined,
): Promise<Page<TemplateRow>> {
  const position = readPosition(cursor);
  if (position && !isId(position[1])) throw invalidInput([{ pointer: '/cursor', message: 'is not a cursor of this list' }]);
  const rows = await db.transaction((sql) => listNamed<TemplateRow>(sql, TABLE, limit + 1, position, name));
  return pageOf(
    rows,
    limit,
    (row) => [row.position, row.id],
    (row): TemplateRow => row,
  );
}

function judge({ methods }: Pick<TemplateDeps, 'methods'>, input: TemplateInput) {
  const errors: FieldError[] = faultsOfSettings(input.settings ?? {}, methods);
  const roles = input.roles ?? [];
  const definitions = input.attributeDefinitions ?? [];
  for (const [index, { roleName }] of roles.entries())
    if (roles.findIndex((role) => role.roleName === roleName) !== index || ['owner', 'administrator', 'member'].includes(roleName))
      errors.push({ pointer: `/roles/${index}/roleName`, message: 'is there twice, or built in' });
  for (const [index, { path }] of definitions.entries())
    if (definitions.findIndex((definition) => definition.path === path) !== index)
      errors.push({ pointer: `/attributeDefinitions/${index}/path`, message: 'is there twice' });
  if (errors.length > 0) throw invalidInput(errors);
  return {
    name: input.name,
    description: input.description ?? null,
    type: input.type,
    roles,
    attribute_definitions: definitions,
    settings: input.settings ?? {},
    limits: input.limits ?? {},
  };
}

const inputOf = (row: TemplateRow): TemplateInput => ({
  name: row.name,
  ...(row.description === null ? {} : { description: row.description }),
  type: row.type,
  roles: row.roles,
  attributeDefinitions: row.attribute_definitions,
  settings: row.settings,
  limits: row.limits,
});

function taken(error: unknown): never {
  throw violatedUnique(error) ? nameTaken() : error;
}
