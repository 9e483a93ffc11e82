import type { AuditEvent } from '../../core/audit-event.ts';
import type { Scope } from '../../core/scope.ts';
import type { Job } from '../../infra/jobs.ts';
import type { Sql } from '../../infra/postgres.ts';

/** One row for `audit_events`, ready to travel as JSON: `sealed` is base64. */
export interface AuditRow {
  id: string;
  tenantId: string;
  type: string;
  outcome: 'success' | 'failure';
  actorType: string;
  actorId: string | null;
  clientId: string | null;
  targetType: string | null;
  targetId: string | null;
  personId: string | null;
  reason: string | null;
  requestId: string | null;
  addressHash: string | null;
  sealed: string | null;
  data: Readonly<Record<string, unknown>>;
}

export interface AuditLog {
  /** The rows of these events, to ride in somebody else's statement. With `sql`, a person's key is looked up and made on that transaction. */
  rows(scope: Scope, events: readonly AuditEvent[], sql?: Sql): Promise<AuditRow[]>;
  /** Resolves when the event is durable; throws 503 when it is not. For where nothing else is written. */
  append(scope: Scope, event: AuditEvent): Promise<void>;
}

/** One transaction: what is recorded and queued here is written before it commits, or not at all. */
export interface Work {
  sql: Sql;
  record(event: AuditEvent): void;
  later(job: Job): void;
}

/** Runs `work` in one transaction in `scope.tenantId`, with row-level security set to it. */
export type Transact = <T>(scope: Scope, work: (work: Work) => Promise<T>) => Promise<T>;

/** What an event tells of where it came from: opened for those who may see it, all undefined once the person is erased. */
export interface PersonalData {
  address?: string | undefined;
  device?: string | undefined;
  note?: string | undefined;
}
