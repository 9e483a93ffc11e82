/** Which issuers there are, as of the last change that the database told of. */
import type { Issuer } from '../features/tenants/index.ts';
import { listIssuers } from '../features/tenants/store.ts';
import type { ChangeFeed } from '../infra/change-feed.ts';
import type { Database } from '../infra/postgres.ts';

export interface IssuerParts {
  db: Database;
  feed: ChangeFeed;
  warn(text: string, error?: unknown): void;
}

/** Answers those there are now, beginning with `first`. */
export function followIssuers({ db, feed, warn }: IssuerParts, first: readonly Issuer[]): () => readonly Issuer[] {
  let known = first;
  const read = async (): Promise<void> => {
    try {
      known = await listIssuers(db);
    } catch (error) {
      warn('could not read the issuers', error);
    }
  };
  feed.on('issuers', () => void read());
  return () => known;
}
