/** The API over HTTP: its routes, and the documents that describe them. */
import type { Middleware } from 'koa';
import type { Audit } from '../features/audit/record.ts';
import { createAdmit } from '../features/tenants/admit.ts';
import type { TenantCache } from '../features/tenants/index.ts';
import { createSpend } from '../features/usage/spend.ts';
import { apiReference } from '../http/docs.ts';
import { mountRoutes, type RouteDeps } from '../http/mount-routes.ts';
import { buildOpenApi, openApiDocument } from '../http/openapi.ts';
import type { Route } from '../http/route.ts';
import { createIdempotencyKeys } from '../infra/idempotency.ts';
import { addressKey, type Limits, RULES } from '../infra/limits.ts';
import type { Logger } from '../infra/log.ts';
import type { Database } from '../infra/postgres.ts';
import type { SecretBox } from '../infra/secret-box.ts';

export interface ServeApiParts {
  authenticate: RouteDeps['authenticate'];
  audit: Audit;
  /** The tenant of the issuer that the request came to. */
  tenantHere(): string;
  tenants: TenantCache;
  meter: Parameters<typeof createSpend>[0];
  db: Database;
  box: SecretBox;
  limits: Limits;
  log: Logger;
  issuer: string;
  options: Pick<RouteDeps, 'strict' | 'onAnswer'>;
}

/** `described` are served elsewhere and stand in the document only. */
export function serveApi(routes: readonly Route[], described: readonly Route[], parts: ServeApiParts): Middleware[] {
  const { authenticate, audit, tenantHere, tenants, meter, db, box, limits, log, issuer, options } = parts;
  const { strict, onAnswer } = options;
  return [
    mountRoutes(routes, {
      authenticate,
      audit: audit.audit,
      defaultTenantId: tenantHere,
      admit: createAdmit({ tenants }),
      spend: createSpend(meter),
      tenantExists: async (id) => (await tenants.find(id))?.status === 'active',
      idempotency: createIdempotencyKeys({ db, box }),
      limit: ({ actor, request }) =>
        limits.consume(RULES.apiByActor, actor.type === 'anonymous' ? addressKey(request.address) : `${actor.type}:${actor.id}`),
      log,
      ...(strict === undefined ? {} : { strict }),
      ...(onAnswer === undefined ? {} : { onAnswer }),
    }),
    openApiDocument(buildOpenApi([...routes, ...described], { issuer })),
    apiReference(),
  ];
}
