import { pageRequest } from '../../http/paging.ts';
import { type Route, route } from '../../http/route.ts';
import { type AuthLogDeps, aggregateFailed, pageOfAuthEvents, pageOfFailed } from './queries.ts';
import { type ReportDeps, reportEvent } from './report.ts';
import { AGGREGATES, AGGREGATES_QUERY, AUTH_LOG_PAGE, AUTH_LOG_QUERY, FAILED_PAGE, FAILED_QUERY, REPORT, REPORTED } from './schema.ts';

const tag = 'Authentication log';

/** What of the audit log tells who proved who they are, here and at other services of the tenant. */
export function authLogRoutes(deps: AuthLogDeps & ReportDeps): Route[] {
  return [
    route('POST /api/logs/auth', {
      summary: 'Report an authentication event of another service',
      description:
        'Kept in the audit log as `external.<type>`, never as an event of this server. Names, address, device and free text are sealed, under the person’s own key where `userId` is a member.',
      tag,
      access: 'logs.write',
      body: REPORT,
      reply: REPORTED,
      status: 201,
      handle: async (scope, { body }) => {
        const { id, type, outcome } = await reportEvent(deps, scope, body);
        return { id, type, outcome, source: 'external' as const };
      },
    }),
    route('GET /api/logs/auth', {
      summary: 'List authentication events, newest first',
      description: 'Sign-ins, registrations, codes, passwords, ends of sessions, and what other services reported.',
      tag,
      access: 'audit.read',
      query: AUTH_LOG_QUERY,
      reply: AUTH_LOG_PAGE,
      handle: (scope, { query }) => {
        const { limit: _limit, cursor: _cursor, ...filter } = query;
        return pageOfAuthEvents(deps, scope, pageRequest(query), filter);
      },
    }),
    route('GET /api/logs/auth/failed', {
      summary: 'List failed sign-ins, newest first, with totals',
      description: 'Refused sign-ins here, and failures that other services reported.',
      tag,
      access: 'audit.read',
      query: FAILED_QUERY,
      reply: FAILED_PAGE,
      handle: (scope, { query }) => {
        const { limit: _limit, cursor: _cursor, ...filter } = query;
        return pageOfFailed(deps, scope, pageRequest(query), filter);
      },
    }),
    route('GET /api/logs/auth/failed/aggregates', {
      summary: 'Count failed sign-ins by person, address or hour',
      description: 'The hundred greatest groups, or every hour (UTC). Over 31 days at most; the last day where no `from` is said.',
      tag,
      access: 'audit.read',
      query: AGGREGATES_QUERY,
      reply: AGGREGATES,
      handle: (scope, { query }) => aggregateFailed(deps, scope, query),
    }),
  ];
}
