import type { Clock } from '../../core/clock.ts';
import { AppError, notFound } from '../../core/errors.ts';
import { isId, newId } from '../../core/ids.ts';
import type { Scope } from '../../core/scope.ts';
import type { SecretBox } from '../../infra/secret-box.ts';
import type { Transact, Work } from '../audit/index.ts';
import type { FactorChange, FactorType, NewFactor } from './index.ts';
import { hashRecoveryCodes, makeRecoveryCodes } from './recovery-codes.ts';
import {
  countFactors,
  deleteFactorRow,
  deleteFactorsOfType,
  distrustDevices,
  insertFactor,
  insertRecoveryCodes,
  lockOwner,
  type Owner,
  renameFactorRow,
} from './store.ts';

export interface FactorDeps {
  clock: Clock;
  box: SecretBox;
  transact: Transact;
  /** Queues the mail about a change of somebody's factors, in its transaction. */
  tell(work: Work, scope: Scope, owner: Owner, change: FactorChange): Promise<void>;
}

const CHANGES: Readonly<Record<FactorType, { added: FactorChange; removed: FactorChange }>> = {
  totp: { added: 'totp_added', removed: 'totp_removed' },
  passkey: { added: 'passkey_added', removed: 'passkey_removed' },
  'recovery-code': { added: 'codes_made', removed: 'codes_removed' },
};

export const factorNotFound = (): AppError => notFound('factor');

/**
 * Gives a person a factor that was just proven, in the transaction of `work`; answers its id. Throws 409 `factor.limit` where they have `most`
 * of the kind already, 409 `factor.taken` where it is registered, 404 where the person may not sign in any more.
 */
export async function addFactor(
  deps: FactorDeps,
  work: Work,
  scope: Scope,
  { userId, factor, most }: { userId: string; factor: NewFactor; most: number },
): Promise<string> {
  const { sql, record } = work;
  const owner = await lockOwner(sql, userId);
  if (!owner) throw notFound('user');
  if ((await countFactors(sql, userId, factor.type)) >= most)
    throw new AppError('factor.limit', 409, 'There are as many of these as one person may have');
  const at = deps.clock.now();
  const id = newId(at);
  const added = await insertFactor(sql, {
    id,
    userId,
    type: factor.type,
    name: factor.name,
    data: factor.data,
    sealed: factor.secret === undefined ? undefined : deps.box.seal(factor.secret, `credential:${id}`),
    lookup: factor.lookup,
    at,
  });
  if (!added) throw new AppError('factor.taken', 409, 'This passkey is registered already');
  await distrustDevices(sql, userId);
  record({
    type: 'factor.added',
    outcome: 'success',
    target: { type: 'user', id: userId },
    personId: userId,
    data: { factor: factor.type, id },
  });
  await deps.tell(work, scope, owner, CHANGES[factor.type].added);
  return id;
}

/** Throws 404 where the person has no such factor, or one that has no name. */
export async function renameFactor(
  deps: FactorDeps,
  scope: Scope,
  { userId, id, name }: { userId: string; id: string; name: string },
): Promise<void> {
  if (!isId(id)) throw factorNotFound();
  await deps.transact(scope, async ({ sql, record }) => {
    if (!(await renameFactorRow(sql, userId, id, name, deps.clock.now()))) throw factorNotFound();
    record({ type: 'factor.renamed', outcome: 'success', target: { type: 'user', id: userId }, personId: userId, data: { id } });
  });
}

/**
 * Takes a factor away; recovery codes go with the last factor that they stand in for. Throws 404 where there is no such factor, 409
 * `factor.last` where nobody could sign in to the account any more.
 */
export async function removeFactor(deps: FactorDeps, scope: Scope, { userId, id }: { userId: string; id: string }): Promise<void> {
  if (!isId(id)) throw factorNotFound();
  await deps.transact(scope, async (work) => {
    const { sql, record } = work;
    const owner = await lockOwner(sql, userId);
    const type = owner && (await deleteFactorRow(sql, userId, id));
    if (!owner || !type) throw factorNotFound();
    const passkeys = await countFactors(sql, userId, 'passkey');
    if (type === 'passkey' && passkeys === 0 && !owner.otherWayIn)
      throw new AppError('factor.last', 409, 'Without this passkey nobody could sign in to the account');
    const left = passkeys + (await countFactors(sql, userId, 'totp'));
    const codes = type !== 'recovery-code' && left === 0 ? await deleteFactorsOfType(sql, userId, 'recovery-code') : 0;
    await distrustDevices(sql, userId);
    record({
      type: 'factor.removed',
      outcome: 'success',
      target: { type: 'user', id: userId },
      personId: userId,
      data: { factor: type, id, ...(codes > 0 ? { recoveryCodes: true } : {}) },
    });
    await deps.tell(work, scope, owner, CHANGES[type].removed);
  });
}

/** Mails to the person, who is not the one who did it, for each kind of factor that was taken from them; the password counts as one. */
export async function tellOfTaken(
  deps: Pick<FactorDeps, 'tell'>,
  work: Work,
  scope: Scope,
  userId: string,
  types: readonly string[],
): Promise<void> {
  const owner = await lockOwner(work.sql, userId);
  if (!owner) return;
  const removed: Readonly<Record<string, { removed: FactorChange }>> = { ...CHANGES, password: { removed: 'password_removed' } };
  for (const type of new Set(types)) {
    const change = removed[type]?.removed;
    if (change) await deps.tell(work, scope, owner, change);
  }
}

/**
 * Ten new recovery codes in place of all earlier ones; the answer is the only copy in the clear. Throws 409 `factor.missing` where there is no
 * factor that they could stand in for.
 */
export async function replaceRecoveryCodes(deps: FactorDeps, scope: Scope, userId: string): Promise<{ id: string; codes: string[] }> {
  const codes = makeRecoveryCodes();
  const at = deps.clock.now();
  const id = newId(at);
  await deps.transact(scope, async (work) => {
    const { sql, record } = work;
    const owner = await lockOwner(sql, userId);
    if (!owner) throw notFound('user');
    if ((await countFactors(sql, userId, 'totp')) + (await countFactors(sql, userId, 'passkey')) === 0)
      throw new AppError('factor.missing', 409, 'Recovery codes stand in for a second factor; there is none');
    await deleteFactorsOfType(sql, userId, 'recovery-code');
    await insertRecoveryCodes(sql, id, userId, hashRecoveryCodes(deps.box, userId, codes), at);
    record({
      type: 'factor.added',
      outcome: 'success',
      target: { type: 'user', id: userId },
      personId: userId,
      data: { factor: 'recovery-code', id },
    });
    await deps.tell(work, scope, owner, 'codes_made');
  });
  return { id, codes };
}
