import { createHash } from 'node:crypto';
import { AppError, malformed } from '../core/errors.ts';
import { sha256 } from '../core/ids.ts';
import type { Actor, Scope } from '../core/scope.ts';

/** An answer as it was given. */
export interface KeptAnswer {
  status: number;
  headers: Record<string, string>;
  body: string;
}

export type IdempotencyState = { state: 'new' } | { state: 'running' } | { state: 'mismatch' } | { state: 'done'; answer: KeptAnswer };

/** Keeps answers for 24 hours, sealed. `id` and `requestHash` are hashes. */
export interface IdempotencyStore {
  /** Claims the id in one statement; of parallel callers one is told `new`. */
  begin(id: string, requestHash: string): Promise<IdempotencyState>;
  finish(id: string, answer: KeptAnswer): Promise<void>;
  /** Gives the claim back: nothing was done. */
  abandon(id: string): Promise<void>;
}

const KEY = /^[\x21-\x7e]{1,255}$/;

/**
 * Runs `work` once for an `Idempotency-Key` of this actor, tenant and path; a repetition gets the first answer. Only answers that
 * did something (2xx) are kept. Throws 422 `idempotency.mismatch` for another body, 409 `idempotency.in_progress` meanwhile.
 */
export async function once(
  store: IdempotencyStore | undefined,
  scope: Scope,
  request: { key: string | undefined; method: string; path: string; raw: Buffer },
  work: () => Promise<KeptAnswer>,
): Promise<KeptAnswer> {
  const { key, method, path, raw } = request;
  // Somebody unknown has no keys of their own: another's answer might be given to them.
  if (key === undefined || !store || scope.actor.type === 'anonymous') return work();
  if (!KEY.test(key)) throw malformed('Idempotency-Key must be 1 to 255 visible ASCII characters');
  const id = sha256(JSON.stringify([scope.tenantId, actorName(scope.actor), scope.clientId ?? null, method, path, key]));
  const begun = await store.begin(id, createHash('sha256').update(raw).digest('base64url'));
  if (begun.state === 'done') return { ...begun.answer, headers: { ...begun.answer.headers, 'idempotency-replayed': 'true' } };
  if (begun.state === 'mismatch')
    throw new AppError('idempotency.mismatch', 422, 'This Idempotency-Key was used for another request', { errors: [] });
  if (begun.state === 'running')
    throw new AppError('idempotency.in_progress', 409, 'A request with this Idempotency-Key is being answered', {
      headers: { 'retry-after': '1' },
    });
  let answer: KeptAnswer;
  try {
    answer = await work();
  } catch (error) {
    await store.abandon(id).catch(() => undefined);
    throw error;
  }
  await store.finish(id, answer).catch(() => undefined);
  return answer;
}

const actorName = (actor: Actor): string => (actor.type === 'anonymous' ? 'anonymous' : `${actor.type}:${actor.id}`);
