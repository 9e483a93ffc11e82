/** The tenant of a request of the protocol: chosen at authorization, carried by codes and refresh tokens, judged by what the tenant asks for. */
import {
  type Account,
  type AuthorizationCode,
  type ClientAuthorizationState,
  errors,
  type KoaContextWithOIDC,
  Provider,
  type RefreshToken,
} from 'oidc-provider';
import { type Clock, epochSeconds } from '../core/clock.ts';
import { currentRequest } from '../core/scope.ts';
import type { TenantCache, TenantFacts } from '../features/tenants/index.ts';
import { settingsOf } from '../features/tenants/settings.ts';
import { type AccountRecord, accountRecordOf } from './accounts.ts';
import { type ActingQuestion, type ActingTenant, actingTenant, actingTenantUnasked } from './acting-tenant.ts';
import { type Assurance, rank } from './assurance.ts';
import { recordOf } from './client-models.ts';

export interface TenantChoiceDeps {
  clock: Clock;
  tenants: Pick<TenantCache, 'find'>;
  rootTenantId: string;
  /** By the tenant's address rules. */
  addressAllowed(facts: TenantFacts, address: string): boolean;
  assurance: Pick<Assurance, 'required'>;
  /** Clients at which everybody acts in their home tenant. */
  homeClients: ReadonlySet<string>;
  /** Counts who was active in a tenant, and says whether somebody new fits in this month. */
  meter?: { active(tenantId: string, userId: string): void; admits(tenantId: string, userId: string): Promise<boolean> } | undefined;
}

/** Of codes and refresh tokens, RFC 6749 section 5.2. */
const LEFT = 'not an active member of the tenant';
const TOO_OLD = 'the sign-in is too old for the tenant';
const TOO_WEAK = 'the sign-in is too weak for the tenant';

const REFUSALS = {
  // Said whatever the reason: whether there is such a tenant, and whose it is, is nobody else's business.
  'tenant.foreign': 'not a member of this organization',
  'tenant.address': 'not allowed from this address',
  'tenant.sign_in_age': 'a newer sign-in is required',
  'tenant.assurance': 'a stronger authentication is required',
  'tenant.limit': 'the organization has reached its limit of active people this month',
} as const;

/** Recorded as `tenant.refused`. */
export class TenantRefused extends errors.AccessDenied {
  readonly reason: keyof typeof REFUSALS;

  constructor(reason: TenantRefused['reason'] = 'tenant.foreign') {
    super(REFUSALS[reason]);
    this.reason = reason;
  }
}

const settled = new WeakMap<object, string>();

/** The tenant that the request acts in, once that is known. */
export const actingTenantOf = (ctx: object | undefined): string | undefined => ctx && settled.get(ctx);

export const settleTenant = (ctx: object, tenantId: string): void => void settled.set(ctx, tenantId);

const textOf = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);

function questionOf(deps: TenantChoiceDeps, ctx: KoaContextWithOIDC, person: AccountRecord): ActingQuestion {
  const { clientId, tenantId } = recordOf(ctx.oidc.client!);
  const isRoot = tenantId === deps.rootTenantId;
  const requested = textOf(ctx.oidc.params?.['tenant']);
  return { client: { tenantId, isRoot, isHome: isRoot && deps.homeClients.has(clientId) }, requested, person };
}

/** Only where the client may act: what a person may do elsewhere is nothing to it. */
export function tenantsWithin(deps: TenantChoiceDeps, ctx: KoaContextWithOIDC, person: AccountRecord): readonly string[] {
  const { client } = questionOf(deps, ctx, person);
  const all = person.memberships.map(({ tenantId }) => tenantId);
  if (client.isHome) return all.filter((id) => id === person.homeTenantId);
  return client.isRoot ? all : all.filter((id) => id === client.tenantId);
}

/** What a session keeps of a client. */
interface Kept extends ClientAuthorizationState {
  tenantId?: string | undefined;
}

/** The choice of the person on our page, which comes back with the interaction. */
function chosenIn(ctx: KoaContextWithOIDC): string | undefined {
  const answer: unknown = ctx.oidc.result?.['tenant'];
  return typeof answer === 'object' && answer !== null && 'tenantId' in answer ? textOf(answer.tenantId) : undefined;
}

/** At the authorization endpoint; undefined while nobody is signed in. What is decided is settled, and remembered for this session and client. */
export function chooseTenant(deps: TenantChoiceDeps, ctx: KoaContextWithOIDC): ActingTenant | undefined {
  const person = accountRecordOf(ctx.oidc.account);
  const { client, session } = ctx.oidc;
  if (!person || !client || !session) return undefined;
  const chosen = chosenIn(ctx);
  const question = questionOf(deps, ctx, person);
  const again = ctx.oidc.prompts.has('select_account');
  const kept: Readonly<Record<string, Kept>> = session.authorizations ?? {};
  const remembered = chosen ?? (again ? undefined : kept[client.clientId]?.tenantId);
  const choice = actingTenant({ ...question, remembered });
  if ('tenantId' in choice) {
    settleTenant(ctx, choice.tenantId);
    if (question.client.isRoot && !question.client.isHome && kept[client.clientId]?.tenantId !== choice.tenantId) {
      const next: Kept = { ...kept[client.clientId], tenantId: choice.tenantId };
      session.authorizations = { ...kept, [client.clientId]: next };
    }
  }
  return choice;
}

/** Throws TenantRefused where the tenant does not let the request's address in, or has no room for one more person this month. */
export async function admit(deps: TenantChoiceDeps, tenantId: string, userId: string | undefined): Promise<TenantFacts> {
  const facts = await deps.tenants.find(tenantId);
  if (facts?.status !== 'active') throw new TenantRefused();
  const address = currentRequest.getStore()?.address;
  if (address && !deps.addressAllowed(facts, address)) throw new TenantRefused('tenant.address');
  if (userId !== undefined && deps.meter && !(await deps.meter.admits(tenantId, userId))) throw new TenantRefused('tenant.limit');
  return facts;
}

export interface SignInAge {
  /** Seconds since the epoch. */
  authTime: number | undefined;
  /** When it was last used, where that is known. */
  usedAt: number | undefined;
}

/** Whether a sign-in is older, or was idle for longer, than the tenant allows; the installation's own bounds are kept elsewhere. */
export function isTooOld(facts: TenantFacts, { authTime, usedAt }: SignInAge, now: number): boolean {
  const { sessions, security } = settingsOf(facts);
  const age = now - (authTime ?? 0);
  const over = (value: number, most: number | undefined): boolean => most !== undefined && value > most;
  const idle = usedAt === undefined ? 0 : now - Math.max(usedAt, authTime ?? 0);
  return over(age, sessions.absoluteSeconds) || over(age, security.maxAuthAgeSeconds) || over(idle, sessions.idleSeconds);
}

/** The same for one of several tenants by their ids; of one that is not there nothing is too old. */
export async function isTooOldAt(
  deps: Pick<TenantChoiceDeps, 'clock' | 'tenants'>,
  tenantIds: readonly (string | undefined)[],
  age: SignInAge,
): Promise<boolean> {
  const all = await Promise.all(tenantIds.map((id) => (id === undefined ? undefined : deps.tenants.find(id))));
  return all.some((facts) => facts !== undefined && isTooOld(facts, age, epochSeconds(deps.clock.now())));
}

interface Carrier {
  tenantId?: string | undefined;
}

/**
 * The tenant of a code or refresh token that is being redeemed, or the one that a refresh switches to. Throws invalid_grant where the person
 * has left the tenant it was made in, or the sign-in is too old for the tenant; TenantRefused where a `tenant` is named that is none of theirs.
 */
export async function redeemTenant(
  deps: TenantChoiceDeps,
  ctx: KoaContextWithOIDC,
  source: AuthorizationCode | RefreshToken,
  account: Account | undefined,
): Promise<void> {
  const person = accountRecordOf(account);
  if (!person) return;
  const question = questionOf(deps, ctx, person);
  const isRefresh = source.kind === 'RefreshToken';
  // Those of before tenants were carried have none.
  const { tenantId: carried }: Carrier = source as Carrier;
  const unnamed = { ...question, requested: carried, remembered: undefined };
  const own = actingTenantUnasked(unnamed);
  if (!('tenantId' in own)) throw new errors.InvalidGrant(LEFT);
  const isNamed = isRefresh && question.requested !== undefined;
  const acting = isNamed ? actingTenant(question) : own;
  if (!('tenantId' in acting)) throw new TenantRefused();
  settleTenant(ctx, acting.tenantId);
  const facts = await admit(deps, acting.tenantId, person.id);
  const rotates = isRefresh && recordOf(ctx.oidc.client!).profile !== 'fapi2';
  const age = { authTime: source.authTime, usedAt: rotates ? source.iat : undefined };
  // Whoever wanted to switch keeps what they have.
  if (isTooOld(facts, age, epochSeconds(deps.clock.now())))
    throw isNamed ? new TenantRefused('tenant.sign_in_age') : new errors.InvalidGrant(TOO_OLD);
  if (await isTooWeak(deps, ctx, person.id, acting.tenantId, source.acr))
    throw isNamed ? new TenantRefused('tenant.assurance') : new errors.InvalidGrant(TOO_WEAK);
  if (isRefresh) deps.meter?.active(acting.tenantId, person.id);
}

const isTooWeak = async (
  { assurance }: TenantChoiceDeps,
  ctx: KoaContextWithOIDC,
  userId: string,
  tenantId: string,
  acr: string | undefined,
): Promise<boolean> => rank(acr) < rank(await assurance.required(userId, recordOf(ctx.oidc.client!), tenantId));

/** For a sign-in without pages that reached `acr`: the tenant that is named, or the only one, or home. Throws TenantRefused. */
export async function directTenant(deps: TenantChoiceDeps, ctx: KoaContextWithOIDC, account: Account, acr: string): Promise<string> {
  const person = accountRecordOf(account);
  if (!person) throw new errors.InvalidGrant('account not found');
  const choice = actingTenantUnasked(questionOf(deps, ctx, person));
  if (!('tenantId' in choice)) throw new TenantRefused();
  settleTenant(ctx, choice.tenantId);
  await admit(deps, choice.tenantId, person.id);
  if (await isTooWeak(deps, ctx, person.id, choice.tenantId, acr)) throw new TenantRefused('tenant.assurance');
  deps.meter?.active(choice.tenantId, person.id);
  return choice.tenantId;
}

/** Codes and refresh tokens say in which tenant they act; sessions, when they were last seen. */
export function carryTenants(provider: Provider, { clock, meter }: Pick<TenantChoiceDeps, 'clock' | 'meter'>): void {
  provider.on('authorization.success', (ctx) => {
    const [tenantId, userId] = [actingTenantOf(ctx), ctx.oidc.account?.accountId];
    if (tenantId !== undefined && userId !== undefined) meter?.active(tenantId, userId);
  });
  for (const model of [provider.AuthorizationCode, provider.RefreshToken]) {
    alsoInPayload(model, 'tenantId');
    const prototype = model.prototype as Carrier & { save(): Promise<string> };
    const save = prototype.save;
    prototype.save = function (this: Carrier) {
      this.tenantId ??= actingTenantOf(Provider.ctx);
      return save.call(this as typeof prototype);
    };
  }
  alsoInPayload(provider.Session, 'seenAt');
  const sessions = provider.Session.prototype as { seenAt?: number; save(ttl: number): Promise<string> };
  const save = sessions.save;
  sessions.save = function (this: typeof sessions, ttl: number) {
    this.seenAt = epochSeconds(clock.now());
    return save.call(this, ttl);
  };
}

/** When the session was last seen, in seconds since the epoch. */
export const seenAtOf = (session: object): number | undefined => {
  const seen: unknown = 'seenAt' in session ? session.seenAt : undefined;
  return typeof seen === 'number' ? seen : undefined;
};

/** The library stores and reads the members that the class names, and no others. */
function alsoInPayload(model: object, name: string): void {
  const known: unknown = Reflect.get(model, 'IN_PAYLOAD');
  if (!Array.isArray(known)) throw new Error('oidc-provider no longer says what its models hold');
  Object.defineProperty(model, 'IN_PAYLOAD', { get: () => [...(known as string[]), name] });
}
