/** The administrators of the installation: the first one, and the way back in. Nothing here is reachable over HTTP. */
import { invalidInput } from '../../core/errors.ts';
import { newId, newSecret } from '../../core/ids.ts';
import { ALL_PERMISSIONS } from '../../core/permissions.ts';
import { systemScope } from '../../core/scope.ts';
import type { Work } from '../audit/index.ts';
import { grantAdministrator, hasAdministrator, lockByEmail, lockRootTenant } from './administrators-store.ts';
import { columnsOfNew } from './columns.ts';
import type { UserDeps } from './commands.ts';
import { emailKey } from './names.ts';
import { insertUser, updateUser } from './store.ts';

export type AdministratorDeps = Pick<UserDeps, 'clock' | 'transact' | 'hashPassword' | 'setPassword' | 'endAccess'>;

export interface Administrator {
  userId: string;
  email: string;
  /** To be told once, where it was made here; it has to be changed at the first sign-in. */
  password?: string;
}

/** Makes the first administrator; undefined where there is one already. Several processes may call it at once. Throws 422 for a bad address. */
export async function ensureAdministrator(
  deps: AdministratorDeps,
  rootTenantId: string,
  input: { email: string; password?: string | undefined },
): Promise<Administrator | undefined> {
  const scope = systemScope(rootTenantId, 'bootstrap', ALL_PERMISSIONS);
  // The hash costs more than the question, and is needed once in the life of an installation.
  if (await deps.transact(scope, ({ sql }) => hasAdministrator(sql, rootTenantId))) return undefined;
  const made = input.password === undefined ? newSecret(15) : undefined;
  const hash = await deps.hashPassword(input.password ?? made!);
  return deps.transact(scope, async (work) => {
    await lockRootTenant(work.sql, rootTenantId);
    if (await hasAdministrator(work.sql, rootTenantId)) return undefined;
    const userId = await makeAdministrator(deps, work, rootTenantId, input.email, { hash, mustChange: made !== undefined });
    work.record({ type: 'administrator.created', outcome: 'success', target: { type: 'user', id: userId } });
    return { userId, email: input.email, ...(made === undefined ? {} : { password: made }) };
  });
}

/**
 * The way back in for who runs the server: gives the person with this address, made where there is none, the administrator's role and a
 * password to be changed, enables them, and ends whatever access they had. Throws 422 for a bad address.
 */
export async function recoverAdministrator(
  deps: AdministratorDeps,
  rootTenantId: string,
  email: string,
): Promise<Administrator & { password: string }> {
  const password = newSecret(15);
  const hash = await deps.hashPassword(password);
  return deps.transact(systemScope(rootTenantId, 'recovery', ALL_PERMISSIONS), async (work) => {
    await lockRootTenant(work.sql, rootTenantId);
    const userId = await makeAdministrator(deps, work, rootTenantId, email, { hash, mustChange: true });
    work.record({ type: 'administrator.recovered', outcome: 'success', target: { type: 'user', id: userId } });
    return { userId, email, password };
  });
}

async function makeAdministrator(
  deps: AdministratorDeps,
  work: Work,
  rootTenantId: string,
  email: string,
  password: { hash: string; mustChange: boolean },
): Promise<string> {
  const key = emailKey(email);
  if (key === undefined) throw invalidInput([{ pointer: '/email', message: 'is not an e-mail address' }]);
  const known = await lockByEmail(work.sql, key);
  const { id } =
    known ?? (await insertUser(work.sql, columnsOfNew(newId(), rootTenantId, { email, emailVerified: true }, deps.clock.now())));
  if (known) {
    await deps.endAccess(work, id);
    if (known.status !== 'active') await updateUser(work.sql, rootTenantId, known, { status: 'active' });
  }
  await grantAdministrator(work.sql, rootTenantId, id);
  await deps.setPassword(work, { userId: id, ...password, reason: 'set_by_administrator' });
  return id;
}
