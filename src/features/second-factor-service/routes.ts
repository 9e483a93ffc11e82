import type { Scope } from '../../core/scope.ts';
import { DELETED, deleted } from '../../http/paging.ts';
import { type Answer, answer, ID_PARAMS, type Route, route } from '../../http/route.ts';
import { getService, putService, removeService, type SecondFactorServiceDeps } from './commands.ts';
import { SERVICE, SERVICE_INPUT, type ServiceView } from './schema.ts';
import type { ServiceRow } from './store.ts';

export interface SecondFactorServiceRouteDeps extends SecondFactorServiceDeps {
  inTenant(scope: Scope, id: string): Promise<Scope>;
}

/** `/api/tenants/{id}/second-factor-service`: there is one or none. */
export function secondFactorServiceRoutes(deps: SecondFactorServiceRouteDeps): Route[] {
  const common = {
    tag: 'Tenants',
    params: ID_PARAMS,
    load: (scope: Scope, { id }: { id: string }): Promise<Scope> => deps.inTenant(scope, id),
  } as const;
  return [
    route('GET /api/tenants/{id}/second-factor-service', {
      ...common,
      summary: 'See the second-factor service of a tenant',
      description: 'Never its token.',
      access: 'tenants.read',
      reply: SERVICE,
      handle: async (_scope, { loaded }) => versioned(await getService(deps, loaded)),
    }),
    route('PUT /api/tenants/{id}/second-factor-service', {
      ...common,
      summary: 'Set the second-factor service of a tenant',
      description:
        'People at home in the tenant prove their second factor there, by the method `external-2fa`; a passkey still counts. `POST {url}/challenge` with `challengeId`, `userId`, `username`, `purpose` and `tenantId` has a code sent or shown and answers 202, with a `message` for the person if it likes; `POST {url}/verify` with `challengeId` and `code` answers `{"ok": true}` or `{"ok": false}`, and may name what was shown in `amr` (RFC 8176). Both with the token, within five seconds, in at most 64 KiB. 400, 404, 409, 410 and 422 are a no; whatever else comes counts as no answer, and nobody is let in for want of one.',
      access: 'tenants.write',
      body: SERVICE_INPUT,
      reply: SERVICE,
      handle: async (_scope, { loaded, body, ifMatch }) => versioned(await putService(deps, loaded, body, ifMatch)),
    }),
    route('DELETE /api/tenants/{id}/second-factor-service', {
      ...common,
      summary: 'Remove the second-factor service of a tenant',
      description: 'From then on people prove the factors that they have set up here.',
      access: 'tenants.write',
      reply: DELETED,
      handle: async (_scope, { params, loaded, ifMatch }) => {
        await removeService(deps, loaded, ifMatch);
        return deleted(params.id);
      },
    }),
  ];
}

const versioned = (row: ServiceRow): Answer => answer(viewOf(row), { version: row.revision });

const viewOf = (row: ServiceRow): ServiceView => ({
  url: row.url,
  roles: row.roles,
  whenUnavailable: row.when_unavailable,
  createdAt: row.created_at.toISOString(),
  updatedAt: row.updated_at.toISOString(),
});
