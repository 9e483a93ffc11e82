import { ownPerson } from '../../core/permissions.ts';
import { pageRequest } from '../../http/paging.ts';
import { ID_PARAMS, type Route, route } from '../../http/route.ts';
import { type AuditQueryDeps, getEvent, pageOfEvents, pageOfOwnEvents } from './queries.ts';
import { ACTIVITY_QUERY, AUDIT_EVENT, AUDIT_PAGE, AUDIT_QUERY, OWN_PAGE } from './schema.ts';

const tag = 'Audit';

/** Reading the audit log of a tenant, and one's own part of it; nobody writes to it or changes it over HTTP. */
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
    route('GET /api/me/activity', {
      summary: 'List what happened to your account and what you did, newest first',
      description:
        'From every tenant. Of what an administrator or a key did to you it is told at which tenant, not who it was or from where.',
      tag: 'Own account',
      access: 'account',
      query: ACTIVITY_QUERY,
      reply: OWN_PAGE,
      handle: (scope, { query }) => pageOfOwnEvents(deps, ownPerson(scope), pageRequest(query)),
    }),
  ];
}
