import { generateKeyPair, randomBytes } from 'node:crypto';
import { promisify } from 'node:util';
import { calculateJwkThumbprint, exportJWK, type JWK } from 'jose';
import { forbidden } from '../../core/errors.ts';
import { newId } from '../../core/ids.ts';
import type { Scope } from '../../core/scope.ts';
import type { Database } from '../../infra/postgres.ts';
import type { SecretBox } from '../../infra/secret-box.ts';
import type { Transact, Work } from '../audit/index.ts';
import type { KeySchedule, SigningAlg } from './index.ts';
import { SIGNING_ALGS } from './index.ts';
import { type Plan, planKeys, type Step, type Wish } from './plan.ts';
import { changeKey, databaseTime, deleteKey, insertKey, insertSecret, listKeys, lockKeys, secretExists } from './store.ts';

export interface SigningKeyDeps {
  db: Database;
  box: SecretBox;
  transact: Transact;
  schedule: KeySchedule;
  /** Called after a change was committed, so that this process need not wait for the notification. */
  changed?: (() => Promise<void>) | undefined;
}

/** The job that grants a wish which had to wait, and the one that looks at the schedule. */
export const TEND_JOB = 'keys.tend';
export const PRIVATE_KEY_CONTEXT = 'signing-key';
export const SERVER_SECRET_CONTEXT = 'server-secret';

export interface Rotation {
  /** False where the next keys were not published for long enough; they sign from `effectiveAt` on. */
  done: boolean;
  effectiveAt: Date;
}

/**
 * Goes on to the next signing keys. `scheduled`: once every cached key set may hold them; old keys stay published until what they
 * signed has expired. `emergency`: at once, and every key that has signed is withdrawn, so that its tokens die. Throws 403 outside the root tenant.
 */
export async function rotateKeys(
  deps: SigningKeyDeps,
  scope: Scope,
  input: { mode: 'scheduled' | 'emergency'; algs?: readonly SigningAlg[] | undefined },
): Promise<Rotation> {
  if (!scope.platform) throw forbidden('signing-keys.write');
  const algs = input.algs ?? SIGNING_ALGS;
  const { plan, now } = await carryOut(deps, scope, { mode: input.mode, algs }, (work, { laterAt }) => {
    work.record({ type: 'signing_keys.rotation_requested', outcome: 'success', data: { mode: input.mode, algs } });
    if (laterAt) work.later({ name: TEND_JOB, payload: { rotate: algs }, runAt: laterAt, key: `${TEND_JOB}:${[...algs].sort().join()}` });
  });
  return { done: plan.laterAt === undefined, effectiveAt: plan.laterAt ?? now };
}

/** Makes what is missing, goes on where a period has ended, deletes what nobody needs any more; run each minute and at start. */
export async function tendKeys(deps: SigningKeyDeps, scope: Scope, payload?: unknown): Promise<void> {
  const asked = (payload as { rotate?: unknown } | undefined)?.rotate;
  const algs = SIGNING_ALGS.filter((alg) => Array.isArray(asked) && asked.includes(alg));
  await carryOut(deps, scope, algs.length > 0 ? { mode: 'scheduled', algs } : { mode: 'tend' });
}

/** Makes the secrets that all nodes share, of the kinds named, where there is none yet. 256 bits each. */
export async function ensureSecrets(deps: SigningKeyDeps, scope: Scope, kinds: readonly string[]): Promise<void> {
  await deps.transact(scope, async ({ sql }) => {
    await lockKeys(sql);
    for (const kind of kinds) {
      if (await secretExists(sql, kind)) continue;
      await insertSecret(sql, newId(), kind, deps.box.seal(randomBytes(32), `${SERVER_SECRET_CONTEXT}:${kind}`));
    }
  });
  await deps.changed?.();
}

async function carryOut(
  deps: SigningKeyDeps,
  scope: Scope,
  wish: Wish,
  also: (work: Work, plan: Plan) => void = () => {},
): Promise<{ plan: Plan; now: Date }> {
  // RSA keys take seconds to make: before the lock is taken, not under it.
  const foreseen = planKeys(await listKeys(deps.db), await databaseTime(deps.db), deps.schedule, wish);
  if (wish.mode === 'tend' && foreseen.steps.length === 0) return { plan: foreseen, now: await databaseTime(deps.db) };
  const spare = new Map<string, NewKey[]>();
  for (const step of foreseen.steps) {
    if (step.do === 'create') spare.set(step.alg, [...(spare.get(step.alg) ?? []), await makeKey(step.alg)]);
  }
  const result = await deps.transact(scope, async (work) => {
    const { keys, now } = await lockKeys(work.sql);
    const plan = planKeys(keys, now, deps.schedule, wish);
    for (const step of plan.steps) await take(deps, work, step, spare);
    also(work, plan);
    return { plan, now };
  });
  await deps.changed?.();
  return result;
}

async function take(deps: SigningKeyDeps, { sql, record }: Work, step: Step, spare: Map<string, NewKey[]>): Promise<void> {
  const note = (verb: string, kid: string): void =>
    record({ type: `signing_key.${verb}`, outcome: 'success', target: { type: 'signing_key', id: kid }, data: { alg: step.alg } });
  switch (step.do) {
    case 'create': {
      const { kid, publicJwk, privateJwk } = spare.get(step.alg)?.pop() ?? (await makeKey(step.alg));
      const sealed = deps.box.seal(JSON.stringify(privateJwk), `${PRIVATE_KEY_CONTEXT}:${kid}`);
      await insertKey(sql, { kid, alg: step.alg, state: step.state, publicJwk, sealed });
      note('created', kid);
      return;
    }
    case 'activate':
      await changeKey(sql, step.kid, 'active');
      note('activated', step.kid);
      return;
    case 'retire':
      await changeKey(sql, step.kid, 'retired');
      note('retired', step.kid);
      return;
    case 'revoke':
      await changeKey(sql, step.kid, 'revoked');
      note('revoked', step.kid);
      return;
    case 'delete':
      await deleteKey(sql, step.kid);
      note('deleted', step.kid);
  }
}

interface NewKey {
  kid: string;
  publicJwk: JWK;
  privateJwk: JWK;
}

const generate = promisify(generateKeyPair);

/** RSA 3072, P-256 or Ed25519; the key id is the thumbprint (RFC 7638). */
async function makeKey(alg: SigningAlg): Promise<NewKey> {
  const { publicKey, privateKey } =
    alg === 'RS256'
      ? await generate('rsa', { modulusLength: 3072 })
      : alg === 'ES256'
        ? await generate('ec', { namedCurve: 'P-256' })
        : await generate('ed25519');
  const bare = await exportJWK(publicKey);
  const named = { kid: await calculateJwkThumbprint(bare), alg, use: 'sig' };
  return { kid: named.kid, publicJwk: { ...bare, ...named }, privateJwk: { ...(await exportJWK(privateKey)), ...named } };
}
