import { AppError } from '../core/errors.ts';

export interface Refusal {
  /** Stable, `noun.problem`; the same for everything that would tell whether an account exists. */
  refused: string;
  status: number;
  retryAfterSeconds?: number | undefined;
  /** With `auth.link_required`: the identity that waits for the proof of an account, sealed. */
  link?: string | undefined;
  /** With `auth.factor_unavailable`: what may stand in. */
  methods?: readonly string[] | undefined;
}

export const INVALID_CREDENTIALS: Refusal = { refused: 'auth.invalid_credentials', status: 401 };
/** What a second factor needs does not answer. */
export const FACTOR_UNAVAILABLE: Refusal = { refused: 'auth.factor_unavailable', status: 503 };
export const STEP_INVALID: Refusal = { refused: 'auth.step_invalid', status: 409 };

/** The limit's refusal, where it refused. */
export async function limited(consume: () => Promise<void>): Promise<Refusal | undefined> {
  try {
    await consume();
    return undefined;
  } catch (error) {
    if (!(error instanceof AppError) || error.status !== 429) throw error;
    return {
      refused: 'limit.exceeded',
      status: 429,
      retryAfterSeconds: Number(error.extra['retryAfterSeconds'] ?? error.headers['retry-after'] ?? 1),
    };
  }
}
