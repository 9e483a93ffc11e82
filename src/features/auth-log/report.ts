import { isIP } from 'node:net';
import type { AuditEvent } from '../../core/audit-event.ts';
import { invalidInput } from '../../core/errors.ts';
import { isId } from '../../core/ids.ts';
import type { Scope } from '../../core/scope.ts';
import type { Database } from '../../infra/postgres.ts';
import type { AuditRow } from '../audit/index.ts';
import type { Report } from './schema.ts';
import { isMember } from './store.ts';
import { EXTERNAL } from './types.ts';

export interface ReportDeps {
  db: Database;
  /** Resolves when the event is durable. */
  keep(scope: Scope, event: AuditEvent): Promise<AuditRow>;
}

/** What of a report stands sealed beside address and device. */
export interface ReportedText {
  userId?: string;
  username?: string;
  reason?: string;
  detail?: string;
}

/**
 * Keeps what another service saw. All that may identify somebody is sealed: under the key of the person where `userId` is a member of the tenant, so that
 * it goes when they are erased, else under the installation's. Throws 422 for what is no address, 503.
 */
export async function reportEvent({ db, keep }: ReportDeps, scope: Scope, report: Report): Promise<AuditRow> {
  const { ip, device, userId, username, reason, detail, at } = report;
  if (ip !== undefined && isIP(ip) === 0) throw invalidInput([{ pointer: '/ip', message: 'is no address' }]);
  const { tenantId } = scope;
  const member = userId !== undefined && isId(userId) && (await db.transaction((sql) => isMember(sql, tenantId, userId), { tenantId }));
  const texts: ReportedText = {
    ...(userId === undefined || member ? {} : { userId }),
    ...(username === undefined ? {} : { username }),
    ...(reason === undefined ? {} : { reason }),
    ...(detail === undefined ? {} : { detail }),
  };
  // Where it came from is what the service says, not where the service is.
  const from: Scope = { ...scope, request: { ...scope.request, address: ip ?? '', device: device ?? '' } };
  return keep(from, {
    type: `${EXTERNAL}${report.type}`,
    outcome: report.outcome,
    ...(member ? { target: { type: 'user', id: userId } } : {}),
    personId: member ? userId : '',
    note: Object.keys(texts).length > 0 ? JSON.stringify(texts) : undefined,
    data: { source: 'external', ...(at === undefined ? {} : { at: new Date(at).toISOString() }) },
  });
}
