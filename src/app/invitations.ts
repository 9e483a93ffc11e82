/** Invitations and domains with what they run on. */
import type { Config } from '../config.ts';
import type { Clock } from '../core/clock.ts';
import { DEFAULT_LOCALE } from '../core/messages/catalogue.ts';
import { ALL_PERMISSIONS } from '../core/permissions.ts';
import type { Scope } from '../core/scope.ts';
import { checkUserValues } from '../features/attributes/values.ts';
import type { Work } from '../features/audit/index.ts';
import type { Audit } from '../features/audit/record.ts';
import type { DomainDeps } from '../features/domains/commands.ts';
import type { ResolveTxt } from '../features/domains/index.ts';
import { systemResolver } from '../features/domains/lookup.ts';
import { domainRoutes } from '../features/domains/routes.ts';
import type { InvitationDeps, NewInvitation } from '../features/invitations/index.ts';
import { inviteIn, inviteOrFind } from '../features/invitations/invite.ts';
import { ownInvitationRoutes } from '../features/invitations/me.ts';
import { invitationRoutes } from '../features/invitations/routes.ts';
import { bookOf } from '../features/roles/book.ts';
import { tenantInPath } from '../features/tenants/in-path.ts';
import type { TenantCache } from '../features/tenants/index.ts';
import type { Route } from '../http/route.ts';
import type { Limits } from '../infra/limits.ts';
import type { QueueMail } from '../infra/mail.ts';
import type { Database } from '../infra/postgres.ts';
import { renderMail } from '../login/mails/render.ts';

export interface InvitationParts {
  config: Config;
  clock: Clock;
  db: Database;
  audit: Audit;
  limits: Limits;
  queueMail: QueueMail;
  tenants: TenantCache;
  /** Who looks TXT records up; the machine's resolver where nothing is said. */
  resolveTxt?: ResolveTxt | undefined;
}

export function createInvitations({ config, clock, db, audit, limits, queueMail, tenants, resolveTxt }: InvitationParts) {
  const { transact } = audit;
  const deps: InvitationDeps = {
    db,
    clock,
    transact,
    limits,
    queueMail,
    render: (mail) => renderMail('invitation', DEFAULT_LOCALE, mail),
    bookOf,
    checkAttributes: checkUserValues,
    baseIssuer: config.issuer,
  };
  const domains: DomainDeps = {
    db,
    clock,
    transact,
    tenants,
    limits,
    resolveTxt: resolveTxt ?? systemResolver,
    baseIssuer: config.issuer,
    loopback: config.loopback,
  };
  const inTenant = (scope: Scope, id: string): Promise<Scope> => tenantInPath({ tenants }, scope, id);
  const routes: Route[] = [
    ...invitationRoutes({ ...deps, inTenant }),
    ...ownInvitationRoutes({ db, transact, audit: audit.audit }),
    ...domainRoutes({ ...domains, inTenant }),
  ];
  return {
    deps,
    domains,
    routes,
    /** For `POST /api/users` and imports: an address that may not be created is invited. */
    inviteOrFind: (work: Work, scope: Scope, input: NewInvitation) => inviteOrFind(deps, work, scope, input),
    /** Whoever makes a tenant may say who owns it, whatever else they may do. */
    async inviteOwner(work: Work, scope: Scope, email: string): Promise<void> {
      await inviteIn(deps, work, { ...scope, permissions: new Set(ALL_PERMISSIONS), platform: true }, { email, roles: ['owner'] });
    },
  };
}

export type Invitations = ReturnType<typeof createInvitations>;
