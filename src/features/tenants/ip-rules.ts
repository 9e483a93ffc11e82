/** Address rules of a tenant: allow-lists and deny-lists. */
import { AppError, invalidInput, notFound } from '../../core/errors.ts';
import { isId, newId } from '../../core/ids.ts';
import { type Page, type PageRequest, pageOf, readPosition } from '../../core/page.ts';
import type { Scope } from '../../core/scope.ts';
import { checkIfMatch } from '../../http/etag.ts';
import { mergePatch } from '../../http/merge-patch.ts';
import { type Database, violatedUnique } from '../../infra/postgres.ts';
import type { Transact } from '../audit/index.ts';
import { type AddressRule, addressAllowed, parseCidr } from './address-rules.ts';
import type { TenantCache } from './index.ts';
import type { IpRuleInput } from './ip-rules-schema.ts';
import {
  deleteIpRule,
  findIpRule,
  type IpRuleRow,
  type IpRuleValues,
  insertIpRule,
  listIpRules,
  lockIpRules,
  updateIpRule,
} from './ip-rules-store.ts';

export interface IpRuleDeps {
  db: Database;
  transact: Transact;
  tenants: TenantCache;
}

/** Of a rule, for one tenant; more would make each request slower. */
export const MOST_RULES = 500;

const ruleNotFound = (): AppError => notFound('ip_rule');
const ruleTaken = (): AppError => new AppError('ip_rule.taken', 409, 'There is such a rule already');
const locksOut = (): AppError =>
  new AppError('ip_rule.locks_you_out', 409, 'This would shut out the address that you call from', {
    detail: 'Allow your own address first, or ask the platform.',
  });

/** Throws 409 `ip_rule.taken`, `ip_rule.locks_you_out` or `limit.reached`, 422. */
export async function createIpRule(deps: IpRuleDeps, scope: Scope, input: IpRuleInput): Promise<IpRuleRow> {
  const values = valuesOf(input);
  const row = await deps.transact(scope, async ({ sql, record }) => {
    const rules = await lockIpRules(sql, scope.tenantId);
    if (rules.length >= MOST_RULES)
      throw new AppError('limit.reached', 409, 'The tenant cannot have more rules', { extra: { limit: 'ipRules' } });
    const made = await insertIpRule(sql, scope.tenantId, newId(), values).catch(taken);
    checkNotLockedOut(scope, [...rules, values]);
    record({ type: 'ip_rule.created', outcome: 'success', target: { type: 'ip_rule', id: made.id }, data: { action: made.action } });
    return made;
  });
  deps.tenants.drop(scope.tenantId);
  return row;
}

/** Throws 404, 409 `ip_rule.taken` or `ip_rule.locks_you_out`, 412, 422. */
export async function patchIpRule(deps: IpRuleDeps, scope: Scope, id: string, patch: object, ifMatch?: string): Promise<IpRuleRow> {
  const row = await deps.transact(scope, async ({ sql, record }) => {
    const rules = await lockIpRules(sql, scope.tenantId);
    const before = await findIpRule(sql, scope.tenantId, id);
    if (!before) throw ruleNotFound();
    checkIfMatch(ifMatch, before.version);
    const { cidr, action, description } = before;
    const next = mergePatch({ cidr, action, ...(description === null ? {} : { description }) }, patch) as Partial<IpRuleInput>;
    const missing = (['cidr', 'action'] as const).filter((field) => next[field] === undefined);
    if (missing.length > 0) throw invalidInput(missing.map((field) => ({ pointer: `/${field}`, message: 'is required' })));
    const values = valuesOf(next as IpRuleInput);
    const after = await updateIpRule(sql, scope.tenantId, id, values).catch(taken);
    checkNotLockedOut(scope, [...rules.filter((rule) => (rule as AddressRule & { id: string }).id !== id), values]);
    const fields = (['cidr', 'action', 'description'] as const).filter((field) => before[field] !== after[field]);
    record({ type: 'ip_rule.changed', outcome: 'success', target: { type: 'ip_rule', id }, data: { fields } });
    return after;
  });
  deps.tenants.drop(scope.tenantId);
  return row;
}

/** Throws 404, 409 `ip_rule.locks_you_out`, 412. */
export async function removeIpRule(deps: IpRuleDeps, scope: Scope, id: string, ifMatch?: string): Promise<void> {
  await deps.transact(scope, async ({ sql, record }) => {
    const rules = await lockIpRules(sql, scope.tenantId);
    const before = await findIpRule(sql, scope.tenantId, id);
    if (!before) throw ruleNotFound();
    checkIfMatch(ifMatch, before.version);
    checkNotLockedOut(
      scope,
      rules.filter((rule) => (rule as AddressRule & { id: string }).id !== id),
    );
    await deleteIpRule(sql, scope.tenantId, id);
    record({ type: 'ip_rule.deleted', outcome: 'success', target: { type: 'ip_rule', id } });
  });
  deps.tenants.drop(scope.tenantId);
}

/** Throws 404. */
export async function getIpRule({ db }: Pick<IpRuleDeps, 'db'>, scope: Scope, id: string): Promise<IpRuleRow> {
  const row = isId(id) ? await db.transaction((sql) => findIpRule(sql, scope.tenantId, id), { tenantId: scope.tenantId }) : undefined;
  if (!row) throw ruleNotFound();
  return row;
}

/** In order of creation. */
export async function pageOfIpRules(
  { db }: Pick<IpRuleDeps, 'db'>,
  scope: Scope,
  { limit, cursor }: PageRequest,
): Promise<Page<IpRuleRow>> {
  const position = readPosition(cursor);
  if (position && !isId(position[1])) throw invalidInput([{ pointer: '/cursor', message: 'is not a cursor of this list' }]);
  const rows = await db.transaction((sql) => listIpRules(sql, scope.tenantId, limit + 1, position), { tenantId: scope.tenantId });
  return pageOf(
    rows,
    limit,
    (row) => [row.position, row.id],
    (row): IpRuleRow => row,
  );
}

/** The platform is never shut out. */
function checkNotLockedOut(scope: Scope, rules: readonly AddressRule[]): void {
  if (!scope.platform && !addressAllowed({ ipRules: rules }, scope.request.address)) throw locksOut();
}

function valuesOf({ cidr, action, description }: IpRuleInput): IpRuleValues {
  const parsed = parseCidr(cidr);
  if (!parsed) throw invalidInput([{ pointer: '/cidr', message: 'must be an address, or a network like 192.0.2.0/24 or 2001:db8::/32' }]);
  return { cidr: networkOf(parsed), action, description: description ?? null };
}

/** With the bits beyond the prefix cleared, as the database keeps networks. */
function networkOf({ address, bits, family }: NonNullable<ReturnType<typeof parseCidr>>): string {
  if (family === 'ipv4') {
    const number = address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
    const kept = bits === 0 ? 0 : Math.floor(number / 2 ** (32 - bits)) * 2 ** (32 - bits);
    return `${[24, 16, 8, 0].map((shift) => Math.floor(kept / 2 ** shift) % 256).join('.')}/${bits}`;
  }
  const groups = groupsOf(address);
  const kept = groups.map((group, index) => group & (0xffff << Math.max(0, Math.min(16, 16 * (index + 1) - bits))) & 0xffff);
  return `${kept.map((group) => group.toString(16)).join(':')}/${bits}`;
}

/** The eight groups of an IPv6 address. */
function groupsOf(address: string): number[] {
  const short = new URL(`http://[${address}]/`).hostname.slice(1, -1);
  const [head = '', tail] = short.split('::');
  const numbers = (part: string): number[] => (part === '' ? [] : part.split(':').map((group) => Number.parseInt(group, 16)));
  const [first, last] = [numbers(head), numbers(tail ?? '')];
  return [...first, ...Array.from({ length: 8 - first.length - last.length }, () => 0), ...last];
}

function taken(error: unknown): never {
  throw violatedUnique(error) ? ruleTaken() : error;
}
