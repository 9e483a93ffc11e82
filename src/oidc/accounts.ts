/** People as the protocol sees them. */
import type { Account, Configuration, KoaContextWithOIDC } from 'oidc-provider';
import { isId } from '../core/ids.ts';
import { isManagementPermission } from '../core/permissions.ts';
import type { RoleBook, RoleBooks } from '../features/roles/index.ts';
import type { Database } from '../infra/postgres.ts';
import { findPerson, type MembershipFacts, type PersonRow } from './store.ts';

export interface AccountRecord {
  id: string;
  homeTenantId: string;
  /** In tenants that are active. */
  memberships: readonly MembershipFacts[];
  /** Belongs to a tenant that is suspended, too. */
  isSuspendedSomewhere: boolean;
  /** By their names in OpenID Connect Core section 5.1; what is not known is absent. */
  claims: Readonly<Record<string, unknown>>;
}

export interface Accounts {
  /** An active person, in one statement; undefined where unknown or disabled. */
  findAccount(userId: string): Promise<AccountRecord | undefined>;
  /** The management permissions that a person holds in a tenant by their roles there. `known` saves the statement. */
  permissionsOf(userId: string, tenantId: string, known?: AccountRecord): Promise<readonly string[]>;
  /** The roles of a tenant. */
  rolesOf(tenantId: string): Promise<RoleBook>;
}

export function createAccounts({ db, roles: books }: { db: Database; roles: Pick<RoleBooks, 'of'> }): Accounts {
  const findAccount = async (userId: string): Promise<AccountRecord | undefined> => {
    if (!isId(userId)) return undefined;
    const row = await findPerson(db, userId);
    return row && accountOf(row);
  };
  return {
    findAccount,
    async permissionsOf(userId, tenantId, known) {
      const account = known ?? (await findAccount(userId));
      const roles = account?.memberships.find((membership) => membership.tenantId === tenantId)?.roles ?? [];
      return [...(await books.of(tenantId)).permissionsOf(roles)].filter(isManagementPermission);
    },
    rolesOf: (tenantId) => books.of(tenantId),
  };
}

function accountOf(row: PersonRow): AccountRecord {
  const name = [row.given_name, row.family_name].filter(Boolean).join(' ') || row.username;
  const claims = {
    sub: row.id,
    name: name || undefined,
    given_name: row.given_name ?? undefined,
    family_name: row.family_name ?? undefined,
    preferred_username: row.username ?? undefined,
    locale: row.locale ?? undefined,
    updated_at: row.updated_at,
    email: row.email ?? undefined,
    email_verified: row.email === null ? undefined : row.email_verified,
    phone_number: row.phone ?? undefined,
    phone_number_verified: row.phone === null ? undefined : row.phone_verified,
  };
  return {
    id: row.id,
    homeTenantId: row.home_tenant_id,
    memberships: row.memberships.filter(({ status }) => status === 'active').map(({ status: _status, ...membership }) => membership),
    isSuspendedSomewhere: row.memberships.some(({ status }) => status === 'suspended'),
    claims: Object.fromEntries(Object.entries(claims).filter(([, value]) => value !== undefined)),
  };
}

const records = new WeakMap<Account, AccountRecord>();

/** What we know of a person beyond what the library does; undefined for accounts that are not ours. */
export const accountRecordOf = (account: Account | undefined): AccountRecord | undefined => account && records.get(account);

const asked = new WeakMap<object, Map<string, Promise<Account | undefined>>>();

function askedIn(ctx: object): Map<string, Promise<Account | undefined>> {
  const known = asked.get(ctx) ?? new Map<string, Promise<Account | undefined>>();
  asked.set(ctx, known);
  return known;
}

/** Keeps an active person, whom another look-up of the same request brought along, for `findAccount` of the library. */
export function knowPerson(ctx: object, row: PersonRow): void {
  const known = askedIn(ctx);
  if (!known.has(row.id)) known.set(row.id, Promise.resolve(accountFrom(accountOf(row))));
}

/** What a token endpoint or userinfo request finds a person by. */
type Source = Parameters<NonNullable<Configuration['findAccount']>>[2];

export interface AccountHooks {
  /** What is said of the person beside their own claims, for the scopes that were agreed to. */
  claims(ctx: KoaContextWithOIDC, scope: string): Promise<Readonly<Record<string, unknown>>>;
  /** Called with what is redeemed, once its person is known; throws what the client is to be told. */
  redeemed(ctx: KoaContextWithOIDC, source: NonNullable<Source>, account: Account): Promise<void>;
}

/** `findAccount` of the library, asked once a request however often the library asks. */
export function findAccountWith(accounts: Pick<Accounts, 'findAccount'>, hooks?: AccountHooks) {
  return async (ctx: KoaContextWithOIDC, userId: string, source?: Source): Promise<Account | undefined> => {
    const known = askedIn(ctx);
    const looking = known.get(userId) ?? load(accounts, userId);
    known.set(userId, looking);
    const account = await looking;
    const record = accountRecordOf(account);
    if (!account || !record || !hooks) return account;
    account.claims = async (_use, scope) => ({ ...record.claims, ...(await hooks.claims(ctx, scope)), sub: record.id });
    if (source) await hooks.redeemed(ctx, source, account);
    return account;
  };
}

async function load(accounts: Pick<Accounts, 'findAccount'>, userId: string): Promise<Account | undefined> {
  const record = isId(userId) ? await accounts.findAccount(userId) : undefined;
  return record && accountFrom(record);
}

function accountFrom(record: AccountRecord): Account {
  const account: Account = { accountId: record.id, claims: async () => ({ ...record.claims, sub: record.id }) };
  records.set(account, record);
  return account;
}
