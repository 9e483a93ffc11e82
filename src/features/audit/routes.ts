import { pageRequest } from '../../http/paging.ts';
import { ID_PARAMS, type Route, route } from '../../http/route.ts';
import { type AuditQueryDeps, getEvent, pageOfEvents } from './queries.ts';
import { AUDIT_EVENT, AUDIT_PAGE, AUDIT_QUERY } from './schema.ts';

const tag = 'Audit';

/** Reading the audit log of a tenant; nobody writes to it or changes it over HTTP. */
export function auditRoutes(deps: AuditQueryDeps): Route[] {
  return [
    route('GET /api/audit-events', {
      summary: 'List audit events, newest first',
      tag,
      access: 'audit.read',
      query: AUDIT_QUERY,
      reply: AUDIT_PAGE,
      handle: (scope, { query }) => {
        const { limit: _limit, cursor: _cursor, ...filter } = query;
        return pageOfEvents(deps, scope, pageRequest(query), filter);
      },
    }),
    route('GET /api/audit-events/{id}', {
      summary: 'See an audit event',
      tag,
      access: 'audit.read',
      versioned: false,
      params: ID_PARAMS,
      reply: AUDIT_EVENT,
      handle: (scope, { params }) => getEvent(deps, scope, params.id),
    }),
  ];
}
