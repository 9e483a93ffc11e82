import type { Scope } from '../../core/scope.ts';
import { DELETED, deleted } from '../../http/paging.ts';
import { type Answer, answer, ID_PARAMS, type Route, route } from '../../http/route.ts';
import { getService, putService, removeService, type SecondFactorServiceDeps } from './commands.ts';
import { SERVICE, SERVICE_INPUT, type ServiceView } from './schema.ts';
import type { ServiceRow } from './store.ts';

/** Where a provider sends the browser back to: one address for each tenant's. */
export const secondFactorCallback = (issuer: string, tenantId: string): string => `${issuer}/login/callback/second-factor/${tenantId}`;

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
      handle: async (scope, { loaded }) => versioned(scope, await getService(deps, loaded)),
    }),
    route('PUT /api/tenants/{id}/second-factor-service', {
      ...common,
      summary: 'Set the second-factor service of a tenant',
      description:
        'People at home in the tenant prove their second factor there; a passkey still counts. Of kind `http`, by the method `external-2fa`: `POST {url}/challenge` with `challengeId`, `userId`, `username`, `purpose` and `tenantId` has a code sent or shown and answers 202, with a `message` for the person if it likes; `POST {url}/verify` with `challengeId` and `code` answers `{"ok": true}` or `{"ok": false}`, and may name what was shown in `amr` (RFC 8176). Both with the token, within five seconds, in at most 64 KiB. 400, 404, 409, 410 and 422 are a no; whatever else comes counts as no answer, and nobody is let in for want of one. After some of those the service is left alone for 30 seconds; 429 does not count towards that. Of kind `oidc`, by the method `external-oidc`, on pages only: the browser is sent to the provider (authorization code, state, nonce, PKCE where it is announced) with `login_hint`, `max_age` and `acr_values`; the ID token has to be about the same person. It signs nobody in by itself and makes no account.',
      access: 'tenants.write',
      body: SERVICE_INPUT,
      reply: SERVICE,
      handle: async (scope, { loaded, body, ifMatch }) => versioned(scope, await putService(deps, loaded, body, ifMatch)),
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

const versioned = ({ request: { issuer } }: Scope, row: ServiceRow): Answer =>
  answer(viewOf(row, secondFactorCallback(issuer, row.tenant_id)), { version: row.revision });

const viewOf = (row: ServiceRow, redirectUri: string): ServiceView => ({
  ...(row.oidc
    ? { kind: 'oidc', ...row.oidc, acrValues: [...row.oidc.acrValues], amrValues: [...row.oidc.amrValues] }
    : { kind: 'http', url: row.url ?? '' }),
  ...(row.oidc ? { redirectUri } : {}),
  roles: row.roles,
  whenUnavailable: row.when_unavailable,
  createdAt: row.created_at.toISOString(),
  updatedAt: row.updated_at.toISOString(),
});
