/** What people sign in with beside a password, with what it runs on. */
import type { Clock } from '../core/clock.ts';
import type { Scope } from '../core/scope.ts';
import type { Audit } from '../features/audit/record.ts';
import { tellOfTaken } from '../features/factors/commands.ts';
import type { OrganizationFactor } from '../features/factors/index.ts';
import { factorRoutes } from '../features/factors/routes.ts';
import type { TenantCache } from '../features/tenants/index.ts';
import { settingsOf } from '../features/tenants/settings.ts';
import type { UserDeps } from '../features/users/index.ts';
import type { Route } from '../http/route.ts';
import type { QueueMail } from '../infra/mail.ts';
import type { Database } from '../infra/postgres.ts';
import type { SecretBox } from '../infra/secret-box.ts';
import { ENROLMENTS, type EnrolmentDeps, finishEnrolment, startEnrolment } from '../login/enrolment.ts';
import { tellOfFactor } from '../login/factor-mail.ts';
import { findPerson } from '../login/people-store.ts';

export interface FactorParts {
  db: Database;
  clock: Clock;
  box: SecretBox;
  audit: Audit;
  tenants: TenantCache;
  queueMail: QueueMail;
  /** The service of their organisation that somebody is asked by. */
  organizationFactor(this: void, person: { id: string; homeTenantId: string }): Promise<OrganizationFactor | undefined>;
  /** Whether mail can be sent at all. */
  mails: boolean;
}

export interface Factors {
  /** What the engine calls and offers. */
  hooks: { enrollable: readonly string[]; codeUsed(scope: Scope, userId: string, left: number): Promise<void> };
  enrolments: EnrolmentDeps;
  /** Mails about what an administrator took. */
  tellOfTaken: NonNullable<UserDeps['tellOfTaken']>;
  routes: Route[];
}

export function createFactors({ db, clock, box, audit, tenants, queueMail, organizationFactor, mails }: FactorParts): Factors {
  const enrolments: EnrolmentDeps = {
    db,
    clock,
    box,
    transact: audit.transact,
    async tell(work, scope, owner, what) {
      if (mails) await tellOfFactor({ clock, queueMail }, scope, { ...owner, what }, work.sql);
    },
    async tenantName(tenantId) {
      const facts = await tenants.find(tenantId);
      if (!facts || facts.type === 'root') return 'Gatehouse';
      return settingsOf(facts).branding.displayName ?? facts.name;
    },
  };
  return {
    hooks: {
      enrollable: ENROLMENTS,
      async codeUsed(scope, userId, left) {
        const person = mails ? await findPerson(db, userId) : undefined;
        if (person) await tellOfFactor({ clock, queueMail }, scope, { ...person, what: 'code_used', left });
      },
    },
    enrolments,
    tellOfTaken: (work, scope, userId, types) => tellOfTaken(enrolments, work, scope, userId, types),
    routes: factorRoutes({
      ...enrolments,
      async organizationFactor(userId) {
        const person = await findPerson(db, userId);
        return person && organizationFactor({ id: userId, homeTenantId: person.homeTenantId });
      },
      startTotp: (scope, own) => startEnrolment(enrolments, scope, { ...own, kind: 'totp' }),
      startPasskey: (scope, own) => startEnrolment(enrolments, scope, { ...own, kind: 'passkey' }),
      finish: (scope, own, input, locale) => finishEnrolment(enrolments, scope, own, input, locale),
    }),
  };
}
