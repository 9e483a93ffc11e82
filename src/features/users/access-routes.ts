import { type Static, Type } from '@sinclair/typebox';
import { DELETED, deleted, PAGE_QUERY, pageRequest, pageSchema } from '../../http/paging.ts';
import { ID, ID_PARAMS, type Route, route } from '../../http/route.ts';
import { type AccessDeps, type Attempt, factorsOf, getOwn, pageOfAttempts, removeFactors, removeFromTenants, tenantsOf } from './access.ts';
import type { FactorRow } from './access-store.ts';
import { removeFromTenant, type UserDeps } from './commands.ts';
import { getUser, type UserQueryDeps } from './queries.ts';
import type { Membership } from './store.ts';

export type { AccessDeps } from './access.ts';

const orNull = Type.Union([Type.String(), Type.Null()]);
const INSTANT = Type.String({ format: 'date-time' });
const ALL_GONE = Type.Object({ ...DELETED.properties, ended: Type.Integer({ minimum: 0, description: 'How many there were' }) });

const MEMBERSHIP = Type.Object({
  tenantId: Type.String(),
  slug: Type.String(),
  name: Type.String(),
  type: Type.String(),
  status: Type.String(),
  roles: Type.Array(Type.String()),
  groups: Type.Array(Type.String()),
});
const FACTOR = Type.Object({
  id: Type.String(),
  type: Type.String(),
  name: orNull,
  createdAt: INSTANT,
  lastUsedAt: Type.Union([INSTANT, Type.Null()]),
});
const ATTEMPT = Type.Object({
  id: Type.String(),
  time: INSTANT,
  address: orNull,
  device: orNull,
  method: orNull,
  outcome: Type.Union([Type.Literal('success'), Type.Literal('failure')]),
  reason: orNull,
  clientId: orNull,
});
const listOf = <S extends typeof MEMBERSHIP | typeof FACTOR>(item: S) => Type.Object({ items: Type.Array(item), nextCursor: Type.Null() });

const membershipView = ({ tenant_id: tenantId, ...rest }: Membership): Static<typeof MEMBERSHIP> => ({ tenantId, ...rest });
const factorView = (row: FactorRow): Static<typeof FACTOR> => ({
  id: row.id,
  type: row.type,
  name: row.name,
  createdAt: row.created_at.toISOString(),
  lastUsedAt: row.last_used_at?.toISOString() ?? null,
});
const attemptView = ({ row, address, device }: Attempt): Static<typeof ATTEMPT> => ({
  id: row.id,
  time: row.at.toISOString(),
  address: address ?? null,
  device: device ?? null,
  method: typeof row.data['method'] === 'string' ? row.data['method'] : null,
  outcome: row.outcome,
  reason: row.reason,
  clientId: row.client_id,
});

/** Where a person belongs, what lets them in, and how they came in. */
export function accessRoutes(deps: UserDeps & UserQueryDeps & AccessDeps): Route[] {
  const tag = 'People';
  const common = { tag, versioned: false } as const;
  return [
    route('GET /api/users/{id}/tenants', {
      ...common,
      summary: 'List the tenants of a person',
      description: 'All for the home tenant and the platform; another tenant sees itself.',
      access: 'users.read',
      params: ID_PARAMS,
      reply: listOf(MEMBERSHIP),
      handle: async (scope, { params }) => ({ items: (await tenantsOf(deps, scope, params.id)).map(membershipView), nextCursor: null }),
    }),
    route('DELETE /api/users/{id}/tenants', {
      ...common,
      summary: 'End the memberships of a person outside the home',
      description: 'From another tenant than the home: that of this tenant.',
      access: 'users.write',
      params: ID_PARAMS,
      reply: ALL_GONE,
      load: (scope, { id }) => getUser(deps, scope, id),
      handle: async (scope, { params }) => ({ ...deleted(params.id), ended: await removeFromTenants(deps, scope, params.id) }),
    }),
    route('DELETE /api/users/{id}/tenants/{tenantId}', {
      ...common,
      summary: 'End one membership of a person',
      access: 'users.write',
      params: Type.Object({ id: ID, tenantId: ID }),
      reply: DELETED,
      load: (scope, { id }) => getUser(deps, scope, id),
      handle: async (scope, { params }) => {
        await removeFromTenant(deps, scope, params.id, params.tenantId);
        return deleted(params.tenantId);
      },
    }),
    route('GET /api/users/{id}/factors', {
      ...common,
      summary: "List a person's factors",
      description: 'The password is one. For the home tenant and the platform. Never what a factor holds.',
      access: 'users.read',
      params: ID_PARAMS,
      reply: listOf(FACTOR),
      load: (scope, { id }) => getOwn(deps, scope, id),
      handle: async (_scope, { params }) => ({ items: (await factorsOf(deps, params.id)).map(factorView), nextCursor: null }),
    }),
    route('DELETE /api/users/{id}/factors', {
      ...common,
      summary: "Take all of a person's factors",
      description:
        'Ends their access at once, and no device is trusted any more; they are told by mail. The password goes too: until they set another by e-mail there is no way in.',
      access: 'users.write',
      params: ID_PARAMS,
      reply: ALL_GONE,
      load: (scope, { id }) => getOwn(deps, scope, id),
      handle: async (scope, { params }) => ({ ...deleted(params.id), ended: await removeFactors(deps, scope, params.id) }),
    }),
    route('DELETE /api/users/{id}/factors/{factorId}', {
      ...common,
      summary: "Take one of a person's factors",
      description:
        'Ends their access at once, also where it was the only way in, and no device is trusted any more; they are told by mail.',
      access: 'users.write',
      params: Type.Object({ id: ID, factorId: ID }),
      reply: DELETED,
      load: (scope, { id }) => getOwn(deps, scope, id),
      handle: async (scope, { params }) => {
        await removeFactors(deps, scope, params.id, params.factorId);
        return deleted(params.factorId);
      },
    }),
    route('GET /api/users/{id}/attempts', {
      ...common,
      summary: "List a person's sign-in attempts",
      description: 'Newest first. All for the home tenant and the platform; another tenant sees those in itself.',
      access: 'users.read',
      params: ID_PARAMS,
      query: Type.Object(PAGE_QUERY),
      reply: pageSchema(ATTEMPT),
      load: (scope, { id }) => getUser(deps, scope, id),
      handle: async (scope, { params, query }) => {
        const page = await pageOfAttempts(deps, scope, params.id, pageRequest(query));
        return { items: page.items.map(attemptView), nextCursor: page.nextCursor };
      },
    }),
  ];
}
