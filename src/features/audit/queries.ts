import { notFound } from '../../core/errors.ts';
import { isId } from '../../core/ids.ts';
import { type Page, type PageRequest, pageOfPlaced, readInstantPosition } from '../../core/page.ts';
import type { Scope } from '../../core/scope.ts';
import type { Database } from '../../infra/postgres.ts';
import type { Audit } from './record.ts';
import type { AuditEventView, AuditQuery, OwnEventView } from './schema.ts';
import { findEvent, listEvents, listEventsOfPerson, namesOfTenants, type StoredEvent } from './store.ts';

export interface AuditQueryDeps {
  db: Database;
  openPersonal: Audit['openPersonal'];
}

export type AuditFilter = Omit<AuditQuery, 'limit' | 'cursor'>;

/** The tenant's events, newest first. Throws 422 where the cursor is none of ours. */
export async function pageOfEvents(
  deps: AuditQueryDeps,
  scope: Scope,
  { limit, cursor }: PageRequest,
  filter: AuditFilter,
): Promise<Page<AuditEventView>> {
  const { from, to, ...rest } = filter;
  const after = readInstantPosition(cursor);
  const rows = await deps.db.transaction(
    (sql) =>
      listEvents(
        sql,
        scope.tenantId,
        { ...rest, from: from === undefined ? undefined : new Date(from), to: to === undefined ? undefined : new Date(to) },
        limit + 1,
        after,
      ),
    { tenantId: scope.tenantId },
  );
  return show(deps, rows, limit);
}

/** One event of the tenant. Throws 404. */
export async function getEvent(deps: AuditQueryDeps, scope: Scope, id: string): Promise<AuditEventView> {
  const row = isId(id) ? await deps.db.transaction((sql) => findEvent(sql, scope.tenantId, id), { tenantId: scope.tenantId }) : undefined;
  if (!row) throw notFound('audit_event');
  return viewOf(deps, row);
}

/** What the log holds of one person, in whichever tenant it happened, newest first: for themselves. Throws 422 where the cursor is none of ours. */
export async function pageOfOwnEvents(deps: AuditQueryDeps, personId: string, { limit, cursor }: PageRequest): Promise<Page<OwnEventView>> {
  const rows = await listEventsOfPerson(deps.db, personId, limit + 1, readInstantPosition(cursor));
  const page = await show(deps, rows, limit);
  const tenants = new Map(rows.map(({ id, tenant_id: tenantId }) => [id, tenantId]));
  const names = await namesOfTenants(deps.db, [...new Set(tenants.values())]);
  const tenantOf = (eventId: string): OwnEventView['tenant'] => {
    const id = tenants.get(eventId) ?? '';
    return { id, name: names.get(id) ?? null };
  };
  return { ...page, items: page.items.map((event) => toldTo(personId, event, tenantOf(event.id))) };
}

/** Who an administrator is and where they sat is theirs, though it is kept with what they or a key of theirs did to somebody; so is who else it was done to. */
function toldTo(personId: string, event: AuditEventView, tenant: OwnEventView['tenant']): OwnEventView {
  const { actor } = event;
  const bySomebodyElse = actor.type === 'api_key' || (actor.type === 'user' && actor.id !== personId);
  const { userIds, groupIds: _groupIds, ...data } = event.data;
  if (actor.type === 'user' && actor.id === personId) return { ...event, tenant, note: event.personId === personId ? event.note : null };
  const told = { ...event, tenant, data: userIds === undefined ? event.data : { ...data, userIds: [personId] } };
  return bySomebodyElse ? { ...told, actor: { ...actor, id: null }, address: null, device: null, note: null } : told;
}

const show = (deps: AuditQueryDeps, rows: StoredEvent[], limit: number): Promise<Page<AuditEventView>> =>
  pageOfPlaced(rows, limit, (row) => viewOf(deps, row));

async function viewOf({ openPersonal }: AuditQueryDeps, row: StoredEvent): Promise<AuditEventView> {
  const { address, device, note } = await openPersonal(row);
  return {
    id: row.id,
    at: row.at.toISOString(),
    type: row.type,
    outcome: row.outcome,
    reason: row.reason,
    actor: { type: row.actor_type, id: row.actor_id },
    clientId: row.client_id,
    target: row.target_type !== null && row.target_id !== null ? { type: row.target_type, id: row.target_id } : null,
    personId: row.person_id,
    requestId: row.request_id,
    address: address ?? null,
    device: device ?? null,
    note: note ?? null,
    data: row.data,
  };
}
