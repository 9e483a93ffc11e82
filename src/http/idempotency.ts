import { createHash } from 'node:crypto';
import { AppError, malformed } from '../core/errors.ts';
import { sha256 } from '../core/ids.ts';
import { type Actor, mayHaveWritten, type Scope } from '../core/scope.ts';

/** An answer as it was given. */
export interface KeptAnswer {
  status: number;
  headers: Record<string, string>;
  body: string;
}

export type IdempotencyState = { state: 'new' | 'running' | 'unknown' | 'mismatch' } | { state: 'done'; answer: KeptAnswer };

/** Keeps answers for 24 hours, sealed. `id` and `requestHash` are hashes. */
export interface IdempotencyStore {
  /** Claims the id in one statement; of parallel callers one is told `new`. */
  begin(id: string, requestHash: string): Promise<IdempotencyState>;
  finish(id: string, answer: KeptAnswer): Promise<void>;
  /** Gives the claim back: nothing was done. */
  abandon(id: string): Promise<void>;
  /** Nobody knows what was done, and nobody may do it again under this id. */
  lose(id: string): Promise<void>;
}

const KEY = /^[\x21-\x7e]{1,255}$/;

/**
 * Runs `work` once for an `Idempotency-Key` of this actor, tenant and path; a repetition gets the first answer. Only answers that
 * did something (2xx) are kept; what failed before it wrote anything may be sent again. Throws 422 `idempotency.mismatch` for another body,
 * 409 `idempotency.in_progress` meanwhile, and 409 `idempotency.unknown` where the first may have been done but its answer is lost.
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
  if (begun.state === 'unknown')
    throw new AppError('idempotency.unknown', 409, 'Whether the first request with this Idempotency-Key was carried out is not known', {
      detail: 'Look whether it was, and send it with another key where it was not',
    });
  let answer: KeptAnswer;
  try {
    answer = await work();
  } catch (error) {
    await (mayHaveWritten() ? store.lose(id) : store.abandon(id)).catch(() => undefined);
    throw error;
  }
  // It is done and the caller shall know; a repetition is told that its answer was not kept.
  await store.finish(id, answer).catch(() => undefined);
  return answer;
}

const actorName = (actor: Actor): string => (actor.type === 'anonymous' ? 'anonymous' : `${actor.type}:${actor.id}`);
