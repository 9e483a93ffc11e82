import type { AuditEvent } from '../../core/audit-event.ts';
import type { Clock } from '../../core/clock.ts';
import { AppError, unavailable } from '../../core/errors.ts';
import { isId, newId } from '../../core/ids.ts';
import { type Actor, noteCommit, type Scope } from '../../core/scope.ts';
import type { Jobs } from '../../infra/jobs.ts';
import type { Logger } from '../../infra/log.ts';
import type { Database, Sql } from '../../infra/postgres.ts';
import type { SecretBox } from '../../infra/secret-box.ts';
import { createGroupCommit } from './group-commit.ts';
import type { AuditLog, AuditRow, PersonalData, Transact } from './index.ts';
import { createPersonKeys, type PersonKeys } from './person-keys.ts';
import { insertRows, insertRowsIn } from './store.ts';

export interface AuditDeps {
  db: Database;
  box: SecretBox;
  clock: Clock;
  jobs: Pick<Jobs, 'add'>;
  log: Logger;
}

export interface Audit {
  audit: AuditLog;
  transact: Transact;
  /** As `AuditLog.append`, and answers the row. */
  keep(scope: Scope, event: AuditEvent): Promise<AuditRow>;
  /** Address, device and note of a stored event; empty once the person is erased. */
  openPersonal(row: { id: string; person_id: string | null; sealed: Buffer | null }): Promise<PersonalData>;
  /** How an address stands in `address_hash`, under every key that it may have been hashed with. */
  addressHashes(address: string): string[];
  /** Destroys a person's key with the transaction: erasure. */
  forget(userId: string, sql: Sql): Promise<void>;
  /** For notifications of kind `person` (with the id), and for a lost notification connection (without). */
  drop(userId?: string): void;
}

/** How an address is searched for: the same hash stands in `address_hash`. */
export const ADDRESS_CONTEXT = 'audit-address';

export function createAudit(deps: AuditDeps): Audit {
  const { db, box, clock, jobs, log } = deps;
  const keys = createPersonKeys({ db, box });
  const commit = createGroupCommit<AuditRow>((rows) => insertRows(db, rows));

  const audit: AuditLog = {
    async rows(scope, events, sql) {
      const rows: AuditRow[] = [];
      for (const event of events) rows.push(await rowOf(scope, event, { box, clock, keys, sql }));
      return rows;
    },

    async append(scope, event) {
      await keep(scope, event);
    },
  };

  async function keep(scope: Scope, event: AuditEvent): Promise<AuditRow> {
    try {
      const [row] = await audit.rows(scope, [event]);
      await commit(row!);
      return row!;
    } catch (error) {
      throw refusal(error, log);
    }
  }

  const transact: Transact = (scope, work) =>
    db.transaction(
      async (sql) => {
        const events: AuditEvent[] = [];
        const later: Parameters<Jobs['add']>[0][] = [];
        const result = await work({ sql, record: (event) => void events.push(event), later: (job) => void later.push(job) });
        if (events.length > 0) {
          try {
            await insertRowsIn(sql, await audit.rows(scope, events, sql));
          } catch (error) {
            throw refusal(error, log);
          }
        }
        for (const job of later) await jobs.add(job, sql);
        noteCommit();
        return result;
      },
      { tenantId: scope.tenantId },
    );

  return {
    audit,
    transact,
    keep,
    addressHashes: (address) => box.macAll(ADDRESS_CONTEXT, address),
    forget: keys.forget,
    drop: keys.drop,
    async openPersonal({ id, person_id: personId, sealed }) {
      if (!sealed) return {};
      const opener = personId === null ? box : await keys.find(personId);
      if (!opener) return {};
      try {
        return JSON.parse(opener.open(sealed, contextOf(id)).toString('utf8')) as PersonalData;
      } catch {
        return {};
      }
    },
  };
}

/** Whatever keeps a row from being stored, whoever waits for it gets no answer but 503. */
function refusal(error: unknown, log: Logger): AppError {
  if (error instanceof AppError) return error;
  log.error({ err: error }, 'an audit event could not be stored');
  return unavailable(error);
}

interface RowDeps {
  box: SecretBox;
  clock: Clock;
  keys: PersonKeys;
  sql: Sql | undefined;
}

async function rowOf(scope: Scope, event: AuditEvent, { box, clock, keys, sql }: RowDeps): Promise<AuditRow> {
  const id = newId(clock.now());
  const personId = personOf(scope.actor, event);
  const { address, device, id: requestId } = scope.request;
  const personal = Object.fromEntries(Object.entries({ address, device, note: event.note }).filter(([, value]) => value));
  const hasPersonal = Object.keys(personal).length > 0;
  const sealer = !hasPersonal ? undefined : personId === null ? box : await keys.get(personId, sql);
  return {
    id,
    tenantId: scope.tenantId,
    type: event.type,
    outcome: event.outcome,
    actorType: scope.actor.type,
    actorId: scope.actor.type === 'anonymous' ? null : scope.actor.id,
    clientId: scope.clientId ?? (scope.actor.type === 'client' ? scope.actor.id : null),
    targetType: event.target?.type ?? null,
    targetId: event.target?.id ?? null,
    personId,
    reason: event.reason ?? null,
    requestId: requestId || null,
    addressHash: address ? box.mac(ADDRESS_CONTEXT, address) : null,
    sealed: sealer?.seal(JSON.stringify(personal), contextOf(id)).toString('base64') ?? null,
    data: event.data ?? {},
  };
}

function personOf(actor: Actor, event: AuditEvent): string | null {
  const acting = actor.type === 'api_key' ? actor.owner : actor;
  const candidate = event.personId ?? personIn(event) ?? (acting.type === 'user' ? acting.id : undefined);
  return candidate !== undefined && isId(candidate) ? candidate : null;
}

/** Whom the event is about, whoever did it. Whoever is deleted has no key that anything could be sealed with, and reads nothing more. */
const personIn = ({ type, target }: AuditEvent): string | undefined =>
  target?.type === 'user' && type !== 'user.deleted' ? target.id : undefined;

/** Bound to the row, so that what is sealed cannot be moved to another. */
const contextOf = (id: string): string => `audit:${id}`;
