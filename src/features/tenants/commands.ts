/** What is done to a tenant as a whole: made, changed, suspended, restored, deleted. */
import { invalidInput } from '../../core/errors.ts';
import { isId, newId, newSecret } from '../../core/ids.ts';
import type { Scope } from '../../core/scope.ts';
import { checkIfMatch } from '../../http/etag.ts';
import { mergePatch } from '../../http/merge-patch.ts';
import { compileBody } from '../../http/validate.ts';
import { type Sql, violatedUnique } from '../../infra/postgres.ts';
import type { Transact, Work } from '../audit/index.ts';
import type { RoleBooks } from '../roles/index.ts';
import { graceOver, ownerRequired, platformRequired, rootTenant, slugTaken, tenantDeleted } from './errors.ts';
import { tenantNotFound } from './in-path.ts';
import type { TenantCache } from './index.ts';
import type { TenantInput, TenantPatch, TenantReplacement } from './schema.ts';
import { faultsOfSettings, type StoredSettings, storedSettings, TENANT_SETTINGS } from './settings.ts';
import { keepTemplate } from './templates-store.ts';
import {
  addOwner,
  insertTenant,
  lockTenant,
  markActive,
  markDeleted,
  personExists,
  type TenantChange,
  type TenantRow,
  updateTenant,
} from './tenants-store.ts';

export interface TenantDeps {
  transact: Transact;
  tenants: TenantCache;
  roles: Pick<RoleBooks, 'drop'>;
  /** Ids of the ways to sign in that there are. */
  methods: readonly string[];
  /** Which of these names are no roles of the tenant; its roles stay as they are until the transaction ends. */
  unknownRoles(sql: Sql, tenantId: string, names: readonly string[]): Promise<string[]>;
  /** Days between deletion and the end of everything. */
  graceDays: number;
  /** Fills a new tenant from a template, in the transaction that makes it; answers the template's type and settings. Throws 422 for an unknown one. */
  openTemplate(work: Work, id: string): Promise<OpenTemplate>;
  /** Invites somebody as owner of the new tenant, in the transaction that makes it. */
  inviteOwner(work: Work, scope: Scope, email: string): Promise<void>;
}

export interface OpenTemplate {
  type: 'personal' | 'team' | 'enterprise';
  settings: StoredSettings;
  /** Roles, attribute definitions and limits; the tenant's row is there. */
  apply(scope: Scope): Promise<void>;
}

const isStored = compileBody(TENANT_SETTINGS);

/**
 * Makes a tenant with its built-in roles. `scope` acts for the platform. Who is named, or else the person that makes it, becomes its owner.
 * Who may sign up is by invitation where neither the template nor `settings` says otherwise. Throws 409 `tenant.slug_taken`, 422.
 */
export async function createTenant(deps: TenantDeps, scope: Scope, input: TenantInput): Promise<TenantRow> {
  if (input.ownerId !== undefined && input.ownerEmail !== undefined)
    throw invalidInput([{ pointer: '/ownerEmail', message: 'does not go with ownerId' }]);
  if (input.slug !== undefined && isId(input.slug)) throw invalidInput([{ pointer: '/slug', message: 'must not look like an id' }]);
  const id = newId();
  const inside: Scope = { ...scope, tenantId: id };
  const row = await deps.transact(inside, async (work) => {
    const template = input.templateId === undefined ? undefined : await deps.openTemplate(work, input.templateId);
    if (template && input.type !== undefined && input.type !== template.type)
      throw invalidInput([{ pointer: '/type', message: `is not the template's, ${template.type}` }]);
    const settings = mergePatch({ signUp: 'invitation', ...template?.settings }, input.settings ?? {}) as StoredSettings;
    checkSettings(deps, settings);
    await checkTemplateOf(work.sql, settings);
    const made = await insertWithSlug(work, { id, name: input.name, type: input.type ?? template?.type ?? 'team', settings }, input.slug);
    await template?.apply(inside);
    await checkRolesOf(deps, work.sql, id, settings, template?.settings);
    const ownerId = input.ownerId ?? (input.ownerEmail === undefined && scope.actor.type === 'user' ? scope.actor.id : undefined);
    if (ownerId !== undefined) {
      if (!isId(ownerId) || !(await personExists(work.sql, ownerId)))
        throw invalidInput([{ pointer: '/ownerId', message: 'is no person of this installation' }]);
      await addOwner(work.sql, id, ownerId, scope.actor.type === 'anonymous' ? '' : scope.actor.id);
    }
    if (input.ownerEmail !== undefined) await deps.inviteOwner(work, inside, input.ownerEmail);
    work.record({
      type: 'tenant.created',
      outcome: 'success',
      target: { type: 'tenant', id },
      data: { tenantType: made.type, ...(ownerId === undefined ? {} : { ownerId }) },
    });
    return made;
  });
  changed(deps, id);
  return row;
}

/** Name, slug and settings as a whole; what is left out of the settings has its default. Throws 403, 404, 409, 412, 422. */
export const replaceTenant = (deps: TenantDeps, scope: Scope, input: TenantReplacement, ifMatch?: string): Promise<TenantRow> =>
  changeTenant(deps, scope, ifMatch, () => ({ ...input, settings: input.settings ?? {} }));

/** Applies a JSON merge patch (RFC 7396), to the settings as well. Throws 403, 404, 409, 412, 422. */
export const patchTenant = (deps: TenantDeps, scope: Scope, patch: TenantPatch, ifMatch?: string): Promise<TenantRow> =>
  changeTenant(deps, scope, ifMatch, (row) => {
    const { settings, ...rest } = patch;
    return {
      ...rest,
      ...(settings === undefined ? {} : { settings: mergePatch(storedSettings(row.settings), settings ?? {}) as StoredSettings }),
    };
  });

async function changeTenant(
  deps: TenantDeps,
  scope: Scope,
  ifMatch: string | undefined,
  next: (row: TenantRow) => TenantReplacement | Omit<TenantReplacement, 'name'>,
): Promise<TenantRow> {
  const row = await deps.transact(scope, async ({ sql, record }) => {
    const before = await lockTenant(sql, scope.tenantId);
    if (!before) throw tenantNotFound();
    checkIfMatch(ifMatch, before.version);
    if (before.status === 'deleted') throw tenantDeleted();
    const change: TenantChange = next(before);
    if (change.settings) {
      checkSettings(deps, change.settings);
      await checkTemplateOf(sql, change.settings, storedSettings(before.settings));
      await checkRolesOf(deps, sql, before.id, change.settings, storedSettings(before.settings));
    }
    if (change.slug !== undefined && isId(change.slug)) throw invalidInput([{ pointer: '/slug', message: 'must not look like an id' }]);
    if (change.type !== undefined && change.type !== before.type) {
      if (!scope.platform) throw platformRequired('type');
      if (before.type === 'root') throw rootTenant();
    }
    if (change.slug !== undefined && change.slug !== before.slug && before.type === 'root') throw rootTenant();
    const fields = fieldsOf(before, change);
    if (fields.length === 0) return before;
    const after = await updateTenant(sql, before.id, change).catch((error: unknown) => {
      throw violatedUnique(error) ? slugTaken() : error;
    });
    record({ type: 'tenant.changed', outcome: 'success', target: { type: 'tenant', id: before.id }, data: { fields } });
    return after;
  });
  changed(deps, row.id);
  return row;
}

/** Nobody acts in it until it is restored. Throws 404, 409 `tenant.root` or `tenant.deleted`, 412. */
export async function suspendTenant(deps: TenantDeps, scope: Scope, reason: string | undefined, ifMatch?: string): Promise<TenantRow> {
  const row = await deps.transact(scope, async ({ sql, record }) => {
    const before = await lockTenant(sql, scope.tenantId);
    if (!before) throw tenantNotFound();
    checkIfMatch(ifMatch, before.version);
    if (before.type === 'root') throw rootTenant();
    if (before.status === 'deleted') throw tenantDeleted();
    if (before.status === 'suspended' && (reason ?? null) === before.status_reason) return before;
    const after = await updateTenant(sql, before.id, { status: 'suspended', status_reason: reason ?? null });
    record({ type: 'tenant.suspended', outcome: 'success', target: { type: 'tenant', id: before.id } });
    return after;
  });
  changed(deps, row.id);
  return row;
}

/** Lets a suspended tenant go on, and a deleted one within its grace. Throws 404, 409 `tenant.purged`, 412. */
export async function restoreTenant(deps: TenantDeps, scope: Scope, ifMatch?: string): Promise<TenantRow> {
  const row = await deps.transact(scope, async ({ sql, record }) => {
    const before = await lockTenant(sql, scope.tenantId);
    if (!before) throw tenantNotFound();
    checkIfMatch(ifMatch, before.version);
    if (before.status === 'active') return before;
    const after = await markActive(sql, before.id);
    if (!after) throw graceOver();
    record({ type: 'tenant.restored', outcome: 'success', target: { type: 'tenant', id: before.id } });
    return after;
  });
  changed(deps, row.id);
  return row;
}

/** By an owner or the platform: over at once, gone for good after the grace. Throws 403, 404, 409 `tenant.root`, 412. */
export async function deleteTenant(deps: TenantDeps, scope: Scope, ifMatch?: string): Promise<void> {
  await deps.transact(scope, async ({ sql, record }) => {
    const before = await lockTenant(sql, scope.tenantId);
    if (!before || before.status === 'deleted') throw tenantNotFound();
    if (!scope.platform && !scope.owner) throw ownerRequired();
    checkIfMatch(ifMatch, before.version);
    if (before.type === 'root') throw rootTenant();
    await markDeleted(sql, before.id, deps.graceDays);
    record({ type: 'tenant.deleted', outcome: 'success', target: { type: 'tenant', id: before.id } });
  });
  changed(deps, scope.tenantId);
}

function changed({ tenants, roles }: TenantDeps, id: string): void {
  tenants.drop(id);
  roles.drop(id);
}

/** The slug that was asked for, or one made of the name that nobody has. */
async function insertWithSlug(
  { sql }: Work,
  tenant: { id: string; name: string; type: string; settings: StoredSettings },
  slug: string | undefined,
): Promise<TenantRow> {
  if (slug !== undefined) {
    const made = await insertTenant(sql, { ...tenant, slug });
    if (!made) throw slugTaken();
    return made;
  }
  const base = slugOf(tenant.name);
  for (let tries = 0; tries < 5; tries += 1) {
    const made = await insertTenant(sql, {
      ...tenant,
      slug:
        tries === 0
          ? base
          : `${base}-${newSecret(6)
              .replace(/[^A-Za-z0-9]/g, 'x')
              .toLowerCase()}`,
    });
    if (made) return made;
  }
  throw slugTaken();
}

/** What a name looks like in an address: `Ärzte & Söhne` is `arzte-sohne`. */
export function slugOf(name: string): string {
  const slug = name
    .normalize('NFKD')
    .replace(/\p{M}/gu, '')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .slice(0, 48)
    .replace(/^-+|-+$/g, '');
  return slug === '' || isId(slug) ? 'tenant' : slug;
}

function checkSettings({ methods }: Pick<TenantDeps, 'methods'>, settings: StoredSettings): void {
  const shape = isStored(settings).map(({ pointer, message }) => ({ pointer: `/settings${pointer}`, message }));
  const errors = shape.length > 0 ? shape : faultsOfSettings(settings, methods);
  if (errors.length > 0) throw invalidInput(errors);
}

/** Whoever registers gets a tenant from it, so it has to be there; one that stood there before may be gone by now. Throws 422. */
async function checkTemplateOf(sql: Sql, { personalTenant }: StoredSettings, before?: StoredSettings): Promise<void> {
  const id = personalTenant?.templateId;
  if (id === undefined || id === before?.personalTenant?.templateId || (isId(id) && (await keepTemplate(sql, id)))) return;
  throw invalidInput([{ pointer: '/settings/personalTenant/templateId', message: 'is no template of this installation' }]);
}

/** Roles of the tenant; one that stood there before may be gone by now, and is nobody's until there is another of that name. Throws 422. */
async function checkRolesOf(
  { unknownRoles }: TenantDeps,
  sql: Sql,
  tenantId: string,
  { secondFactorRoles = [] }: StoredSettings,
  before?: StoredSettings,
): Promise<void> {
  const unknown = new Set(
    await unknownRoles(
      sql,
      tenantId,
      secondFactorRoles.filter((name) => !before?.secondFactorRoles?.includes(name)),
    ),
  );
  const errors = secondFactorRoles.flatMap((name, index) =>
    unknown.has(name) ? [{ pointer: `/settings/secondFactorRoles/${index}`, message: 'is no role of the tenant' }] : [],
  );
  if (errors.length > 0) throw invalidInput(errors);
}

function fieldsOf(before: TenantRow, change: TenantChange): string[] {
  const was = { ...before, settings: storedSettings(before.settings) } as Record<string, unknown>;
  return Object.entries(change).flatMap(([field, value]) =>
    value !== undefined && canonical(value) !== canonical(was[field]) ? field : [],
  );
}

/** Without regard to the order of members. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, part: unknown) =>
    typeof part === 'object' && part !== null && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([one], [other]) => (one < other ? -1 : 1)))
      : part,
  );
}
