/** How long tokens take while people sign in: both are asked for at a fixed rate, whether earlier answers are back or not. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Jar } from './client.ts';
import { authorize, OPERATIONS, redeem, type Target } from './operations.ts';

export interface Beside {
  seconds: number;
  tokens: { count: number; p50Ms: number; p95Ms: number; p99Ms: number };
  signIns: { count: number; p50Ms: number; p95Ms: number };
}

export const BESIDE = 'sign-ins beside tokens';
export const BESIDE_BUDGET = 'token p95 < 100 ms';
export const SIGN_INS_PER_SECOND = 10;
export const TOKENS_PER_SECOND = 50;

/** Throws where any request was refused: what was sent away says nothing of how long it takes. */
export async function signInsBesideTokens(target: Target, seconds: number): Promise<Beside> {
  const token = await OPERATIONS.find(({ name }) => name === 'client_credentials RS256')!.prepare(target, 1);
  const signIn = async (): Promise<void> => void (await redeem(target, await authorize(target, new Jar())));
  for (let n = 0; n < 5; n += 1) {
    await token(n);
    await signIn();
  }
  const [tokens, signIns] = await Promise.all([atRate(TOKENS_PER_SECOND, seconds, token), atRate(SIGN_INS_PER_SECOND, seconds, signIn)]);
  const share = (sorted: readonly number[], part: number): number =>
    sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? 0;
  return {
    seconds,
    tokens: { count: tokens.length, p50Ms: share(tokens, 0.5), p95Ms: share(tokens, 0.95), p99Ms: share(tokens, 0.99) },
    signIns: { count: signIns.length, p50Ms: share(signIns, 0.5), p95Ms: share(signIns, 0.95) },
  };
}

/** Begins so many a second and answers how long each took, in ascending order. */
async function atRate(perSecond: number, seconds: number, once: (n: number) => Promise<unknown>): Promise<number[]> {
  const began = performance.now();
  const running: Promise<number>[] = [];
  for (let n = 0; n < perSecond * seconds; n += 1) {
    // From when it was due: a client that is late has waited too.
    const due = began + (n * 1000) / perSecond;
    await sleep(Math.max(0, due - performance.now()));
    running.push(once(n).then(() => performance.now() - due));
  }
  return (await Promise.all(running)).sort((one, other) => one - other);
}
