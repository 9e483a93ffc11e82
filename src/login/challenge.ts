/**
 * What a browser has to do before it may have a message sent or an account made: nothing, or some work that costs who asks a thousand times.
 * Off by default. It takes JavaScript, which our pages otherwise do without; the page says so to who has none.
 */
import { createHash } from 'node:crypto';
import { type Static, Type } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import { addSeconds, type Clock, epochSeconds } from '../core/clock.ts';
import { AppError } from '../core/errors.ts';
import { newSecret } from '../core/ids.ts';
import type { PageChallenge } from '../http/pages.ts';
import { type Limits, RULES } from '../infra/limits.ts';
import type { SecretBox } from '../infra/secret-box.ts';

export type ChallengePurpose = 'register' | 'reset' | 'code';

/** A kind of challenge. */
export interface Challenges {
  /** For the page; undefined where the tenant asks for none. */
  issue(tenantId: string, purpose: ChallengePurpose): Promise<PageChallenge | undefined>;
  /** Whether `answer` is right, or none was asked for. A right one counts once. */
  passes(tenantId: string, purpose: ChallengePurpose, answer: string | undefined): Promise<boolean>;
}

/** Nothing is asked. */
export const NO_CHALLENGES: Challenges = { issue: async () => undefined, passes: async () => true };

export interface ProofOfWorkDeps {
  box: SecretBox;
  clock: Clock;
  limits: Limits;
  /** Leading zero bits that the tenant asks for; undefined where it asks for no work. */
  difficultyOf(tenantId: string): Promise<number | undefined>;
}

const CONTEXT = 'challenge';
const LIFETIME_SECONDS = RULES.challengeAnswer.durationSeconds;

const Task = Type.Object({
  tenantId: Type.String(),
  purpose: Type.String(),
  difficulty: Type.Integer({ minimum: 1, maximum: 32 }),
  nonce: Type.String(),
  /** Seconds since the epoch. */
  until: Type.Integer(),
});
type Task = Static<typeof Task>;

/**
 * A number is to be found with which SHA-256 of `<token>.<number>` begins with so many zero bits: twice the work with every bit, one hash to
 * check. The token is sealed, so that nothing is kept until an answer is right.
 */
export function createProofOfWork({ box, clock, limits, difficultyOf }: ProofOfWorkDeps): Challenges {
  function open(token: string): Task | undefined {
    try {
      const task: unknown = JSON.parse(box.open(Buffer.from(token, 'base64url'), CONTEXT).toString('utf8'));
      return Value.Check(Task, task) ? task : undefined;
    } catch {
      return undefined;
    }
  }
  return {
    async issue(tenantId, purpose) {
      const difficulty = await difficultyOf(tenantId);
      if (difficulty === undefined) return undefined;
      const until = epochSeconds(addSeconds(clock.now(), LIFETIME_SECONDS));
      const task: Task = { tenantId, purpose, difficulty, nonce: newSecret(12), until };
      return { token: box.seal(JSON.stringify(task), CONTEXT).toString('base64url'), difficulty, whole: purpose !== 'code' };
    },
    async passes(tenantId, purpose, answer = '') {
      if ((await difficultyOf(tenantId)) === undefined) return true;
      const [, token = ''] = /^([\w-]{1,1000})\.\d{1,15}$/.exec(answer) ?? [];
      const task = token === '' ? undefined : open(token);
      if (!task || task.tenantId !== tenantId || task.purpose !== purpose || task.until <= epochSeconds(clock.now())) return false;
      return leadingZeros(answer) >= task.difficulty && once(limits, task.nonce);
    },
  };
}

async function once(limits: Limits, nonce: string): Promise<boolean> {
  try {
    await limits.consume(RULES.challengeAnswer, nonce);
    return true;
  } catch (error) {
    if (error instanceof AppError && error.status === 429) return false;
    throw error;
  }
}

/** Of the SHA-256 of a text, in bits. */
export function leadingZeros(text: string): number {
  const first = createHash('sha256').update(text).digest().readUInt32BE(0);
  return Math.clz32(first);
}
