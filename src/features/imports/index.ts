import type { Clock } from '../../core/clock.ts';
import type { Scope } from '../../core/scope.ts';
import type { Job } from '../../infra/jobs.ts';
import type { Database, Sql } from '../../infra/postgres.ts';
import type { SecretBox } from '../../infra/secret-box.ts';
import type { Transact, Work } from '../audit/index.ts';
import type { ImportFormat, ImportRun, Line, Outcome, Wish } from '../users/index.ts';

export interface ImportDeps {
  db: Database;
  clock: Clock;
  transact: Transact;
  box: SecretBox;
  jobs: { add(job: Job, sql?: Sql): Promise<void> };
  people: {
    /** Judges lines before anything is written. */
    wishesOf(scope: Scope, format: ImportFormat, lines: readonly Line[]): Promise<Wish[]>;
    /** Does what they ask for, in the transaction of `work`. */
    carryOut(work: Work, scope: Scope, wishes: readonly Wish[], run: ImportRun): Promise<Outcome[]>;
  };
}

/** Works on one import for a while. */
export const IMPORT_JOB = 'users.import';
/** Finds imports whose process died, every minute. */
export const IMPORT_TEND_JOB = 'users.import-tend';
export const IMPORT_SCHEDULE = { name: IMPORT_TEND_JOB, at: '* * * * *' } as const;
