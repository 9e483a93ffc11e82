import { type Static, Type } from '@sinclair/typebox';
import { invalidInput } from '../../core/errors.ts';
import { isId } from '../../core/ids.ts';
import { pageOf, readPosition } from '../../core/page.ts';
import type { Scope } from '../../core/scope.ts';
import { DELETED, deleted, PAGE_QUERY, pageRequest, pageSchema } from '../../http/paging.ts';
import { answer, ID, type Route, route } from '../../http/route.ts';
import { claimDomain, type DomainDeps, domainNotFound, removeDomain, setIssuer, verifyDomain } from './commands.ts';
import { challengeName, challengeValue } from './names.ts';
import { type DomainRow, findDomain, listDomains } from './store.ts';

const tag = 'Domains';

const nullable = <T extends Parameters<typeof Type.Union>[0][number]>(schema: T) => Type.Union([schema, Type.Null()]);
const TIME = Type.String({ format: 'date-time' });

const DOMAIN = Type.Object({
  id: Type.String(),
  domain: Type.String(),
  verification: Type.Object(
    { type: Type.Literal('TXT'), name: Type.String(), value: Type.String() },
    { description: 'The DNS record that proves the domain' },
  ),
  verifiedAt: nullable(TIME),
  verifiedBy: nullable(Type.Union([Type.Literal('dns'), Type.Literal('platform')])),
  checkedAt: nullable(TIME),
  issuer: nullable(Type.String({ description: 'The URL, where the domain is an issuer of its own' })),
  createdAt: TIME,
  updatedAt: TIME,
});
const DOMAIN_INPUT = Type.Object({
  domain: Type.String({ minLength: 1, maxLength: 254, description: 'Letters, digits and hyphens; other scripts in punycode' }),
  verified: Type.Optional(Type.Boolean({ description: 'True without any DNS record: only for the platform' })),
});
const DOMAIN_PATCH = Type.Object({ issuer: Type.Boolean({ description: 'Whether the domain is an issuer of its own' }) });
const TENANT_PARAMS = Type.Object({ id: ID });
const DOMAIN_PARAMS = Type.Object({ id: ID, domainId: ID });

export interface DomainRoutesDeps extends DomainDeps {
  /** The scope to act with in the tenant that the path names. Throws 404. */
  inTenant(scope: Scope, tenantId: string): Promise<Scope>;
}

/** Domains of a tenant. */
export function domainRoutes(deps: DomainRoutesDeps): Route[] {
  const inTenant = (scope: Scope, { id }: { id: string }): Promise<Scope> => deps.inTenant(scope, id);
  const ofTenant = async (scope: Scope, { id, domainId }: { id: string; domainId: string }) => {
    const here = await deps.inTenant(scope, id);
    const row = await deps.db.transaction((sql) => findDomain(sql, here.tenantId, domainId), { tenantId: here.tenantId });
    if (!row) throw domainNotFound();
    return { here, row };
  };
  return [
    route('GET /api/tenants/{id}/domains', {
      summary: 'List the domains of a tenant',
      tag,
      access: 'tenants.read',
      params: TENANT_PARAMS,
      query: Type.Object(PAGE_QUERY),
      reply: pageSchema(DOMAIN),
      load: inTenant,
      handle: async (_scope, { loaded: { tenantId }, query }) => {
        const { limit, cursor } = pageRequest(query);
        const position = readPosition(cursor);
        if (position && !isId(position[1])) throw invalidInput([{ pointer: '/cursor', message: 'is not a cursor of this list' }]);
        const rows = await deps.db.transaction((sql) => listDomains(sql, tenantId, limit + 1, position), { tenantId });
        return pageOf(rows, limit, (row) => [row.position, row.id], viewOf);
      },
    }),
    route('POST /api/tenants/{id}/domains', {
      summary: 'Claim a domain',
      description: 'Several tenants may claim a domain; one can prove it. Until then it counts for nothing.',
      tag,
      access: 'tenants.write',
      params: TENANT_PARAMS,
      body: DOMAIN_INPUT,
      reply: DOMAIN,
      status: 201,
      errors: [409],
      versioned: false,
      load: inTenant,
      handle: async (_scope, { loaded, body }) => {
        const row = await claimDomain(deps, loaded, body);
        return answer(viewOf(row), { version: row.version, headers: { location: `/api/tenants/${row.tenant_id}/domains/${row.id}` } });
      },
    }),
    route('GET /api/tenants/{id}/domains/{domainId}', {
      summary: 'See a domain',
      tag,
      access: 'tenants.read',
      params: DOMAIN_PARAMS,
      reply: DOMAIN,
      load: ofTenant,
      handle: async (_scope, { loaded: { row } }) => versioned(row),
    }),
    route('PATCH /api/tenants/{id}/domains/{domainId}', {
      summary: 'Make a domain an issuer of its own, or end that',
      description:
        'Only a verified one, of a tenant of type team or enterprise. People, sessions and tokens of an issuer are its own: ending it ends them.',
      tag,
      access: 'tenants.write',
      params: DOMAIN_PARAMS,
      body: DOMAIN_PATCH,
      reply: DOMAIN,
      errors: [409],
      load: ofTenant,
      handle: async (_scope, { loaded: { here, row }, body, ifMatch }) =>
        versioned(await setIssuer(deps, here, row.id, body.issuer, ifMatch)),
    }),
    route('DELETE /api/tenants/{id}/domains/{domainId}', {
      summary: 'Give a domain up',
      description: 'The issuer that it may be ends with it.',
      tag,
      access: 'tenants.write',
      params: DOMAIN_PARAMS,
      reply: DELETED,
      load: ofTenant,
      handle: async (_scope, { loaded: { here, row }, ifMatch }) => {
        await removeDomain(deps, here, row.id, ifMatch);
        return deleted(row.id);
      },
    }),
    route('POST /api/tenants/{id}/domains/{domainId}/verify', {
      summary: 'Look for the DNS record that proves a domain',
      description:
        '409 `domain.not_verified` where the record is not there, with what was `found`; `domain.taken` where another tenant has proven the domain; 503 `domain.lookup_failed` where name servers do not answer.',
      tag,
      access: 'tenants.write',
      params: DOMAIN_PARAMS,
      reply: DOMAIN,
      errors: [409],
      load: ofTenant,
      handle: async (_scope, { loaded: { here, row }, ifMatch }) => versioned(await verifyDomain(deps, here, row.id, ifMatch)),
    }),
  ];
}

const versioned = (row: DomainRow): ReturnType<typeof answer> => answer(viewOf(row), { version: row.version });

const viewOf = (row: DomainRow): Static<typeof DOMAIN> => ({
  id: row.id,
  domain: row.domain,
  verification: { type: 'TXT', name: challengeName(row.domain), value: challengeValue(row.challenge) },
  verifiedAt: row.verified_at?.toISOString() ?? null,
  verifiedBy: row.verified_by,
  checkedAt: row.checked_at?.toISOString() ?? null,
  issuer: row.issuer_url,
  createdAt: row.created_at.toISOString(),
  updatedAt: row.updated_at.toISOString(),
});
