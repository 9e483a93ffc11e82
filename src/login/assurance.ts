import type { Database } from '../infra/postgres.ts';
import type { LoginMethod } from './method.ts';
import { ONE_FACTOR, TWO_FACTORS } from './next-step.ts';
import { findAccount } from './people-store.ts';

export interface LoginAssurance {
  /** The least `acr` that is asked of this person, whether they have the factors or not. */
  required(userId: string): Promise<string>;
  /** The best `acr` that the person's factors can reach. */
  reachable(userId: string): Promise<string>;
}

/** What the protocol asks before it decides on a step-up. */
export function createAssurance({ db, methods }: { db: Database; methods: readonly LoginMethod[] }): LoginAssurance {
  return {
    required: async () => ONE_FACTOR,
    async reachable(userId) {
      const account = await findAccount(db, userId);
      const factors = new Set(methods.filter((method) => account && method.enrolled(account)).map(({ factor }) => factor));
      factors.delete('none');
      return factors.size > 1 ? TWO_FACTORS : ONE_FACTOR;
    },
  };
}
