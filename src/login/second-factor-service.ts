/** What a tenant's own second-factor service is asked over HTTP, with a breaker for each, so that one that is dead holds up nobody else's. */
import { type Static, type TSchema, Type } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import { LRUCache } from 'lru-cache';
import type { HttpService } from '../features/second-factor-service/index.ts';
import { type Breaker, createBreaker } from '../infra/circuit-breaker.ts';

export const SERVICE_TIMEOUT_MS = 5000;
export const SERVICE_MAX_BYTES = 64 * 1024;
const MOST_SERVICES = 1000;

const CHALLENGED = Type.Object({ message: Type.Optional(Type.String({ maxLength: 300 })) });
const VERIFIED = Type.Object({ ok: Type.Boolean(), amr: Type.Optional(Type.Array(Type.String({ maxLength: 20 }), { maxItems: 10 })) });

export interface Challenge {
  challengeId: string;
  userId: string;
  username?: string | undefined;
  purpose: string;
  tenantId: string;
}

export interface ServiceClient {
  /** Undefined where the service says no. Throws where it does not answer as it should, or in time, or is left alone for a while. */
  challenge(service: HttpService, challenge: Challenge): Promise<Static<typeof CHALLENGED> | undefined>;
  /** As `challenge`. */
  verify(service: HttpService, answer: { challengeId: string; code: string }): Promise<Static<typeof VERIFIED> | undefined>;
  close(): void;
}

interface Question {
  path: 'challenge' | 'verify';
  body: object;
}
type Reply = { status: number; body: unknown };

/** What is said of one person or one code, and nothing of the service. */
const NO: ReadonlySet<number> = new Set([400, 404, 409, 410, 422]);
/** No answer either, but the service is alive: wrong codes of one person are not to keep it from being asked about the others. */
const LIMITED = 429;

/** `fetch` is the guarded one, and reads no more than `SERVICE_MAX_BYTES`. */
export function createServiceClient({ fetch }: { fetch: typeof globalThis.fetch }): ServiceClient {
  const breakers = new LRUCache<string, Breaker<Question, Reply | undefined>>({ max: MOST_SERVICES, dispose: (one) => one.close() });

  async function ask(service: HttpService, { path, body }: Question, signal: AbortSignal): Promise<Reply | undefined> {
    const answer = await fetch(`${service.url}/${path}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${service.token}`, 'content-type': 'application/json', accept: 'application/json' },
      body: JSON.stringify(body),
      signal,
    });
    const text = await answer.text();
    if (NO.has(answer.status)) return undefined;
    if (answer.status === LIMITED) return { status: LIMITED, body: undefined };
    if (answer.status !== 200 && answer.status !== 202) throw new Error(`the second-factor service answered ${answer.status}`);
    const reply = { status: answer.status, body: text.trim() === '' ? {} : (JSON.parse(text) as unknown) };
    if (!Value.Check(path === 'verify' ? VERIFIED : CHALLENGED, reply.body))
      throw new Error('the second-factor service answered something else');
    return reply;
  }

  function breakerOf(service: HttpService): Breaker<Question, Reply | undefined> {
    // Whoever changes the address is not held up by what another did.
    const key = `${service.tenantId} ${service.revision}`;
    const known = breakers.get(key);
    if (known) return known;
    const made = createBreaker<Question, Reply | undefined>((question, signal) => ask(service, question, signal), {
      timeoutMs: SERVICE_TIMEOUT_MS,
    });
    breakers.set(key, made);
    return made;
  }

  async function answerOf<Schema extends TSchema>(
    schema: Schema,
    service: HttpService,
    question: Question,
  ): Promise<Static<Schema> | undefined> {
    const reply = await breakerOf(service).ask(question);
    if (reply?.status === LIMITED) throw new Error('the second-factor service was asked too often');
    return reply && Value.Check(schema, reply.body) ? reply.body : undefined;
  }

  return {
    challenge: (service, body) => answerOf(CHALLENGED, service, { path: 'challenge', body }),
    verify: (service, body) => answerOf(VERIFIED, service, { path: 'verify', body }),
    close: () => breakers.clear(),
  };
}
