/** People and their imports with what they run on. */
import type { Clock } from '../core/clock.ts';
import { DEFAULT_LOCALE, message } from '../core/messages/catalogue.ts';
import { faultsOfUserValues } from '../features/attributes/values.ts';
import type { Audit } from '../features/audit/record.ts';
import { setImportedPassword, setPassword, setPasswordsOfNew } from '../features/credentials/commands.ts';
import type { Passwords } from '../features/credentials/passwords.ts';
import { wordsOf } from '../features/credentials/policy.ts';
import { demandOf } from '../features/factors/demand.ts';
import { findFactors } from '../features/factors/store.ts';
import { IMPORT_JOB, IMPORT_TEND_JOB, type ImportDeps } from '../features/imports/index.ts';
import { importRoutes } from '../features/imports/routes.ts';
import { importHandler, importTendHandler } from '../features/imports/work.ts';
import type { RoleBooks } from '../features/roles/index.ts';
import { endAccess, type SessionCommandDeps } from '../features/sessions/commands.ts';
import type { SessionQueryDeps } from '../features/sessions/queries.ts';
import type { TenantCache } from '../features/tenants/index.ts';
import type { AccessDeps } from '../features/users/access.ts';
import type { UserDeps } from '../features/users/commands.ts';
import { wishesOf } from '../features/users/import-lines.ts';
import { carryOut, type ImportDeps as PeopleImportDeps } from '../features/users/import-people.ts';
import { meRoutes } from '../features/users/me.ts';
import { userRoutes } from '../features/users/routes.ts';
import { requireAssurance } from '../http/assurance.ts';
import type { Route } from '../http/route.ts';
import type { Jobs } from '../infra/jobs.ts';
import type { Database } from '../infra/postgres.ts';
import type { SecretBox } from '../infra/secret-box.ts';
import { deleteJourneysOf } from '../login/journey-store.ts';
import { tenantWords } from '../login/people-store.ts';
import { sessionLimitJobs } from './session-limit.ts';

export interface PeopleParts {
  clock: Clock;
  db: Database;
  reads: Database;
  audit: Audit;
  passwords: Passwords;
  sessions: SessionQueryDeps & SessionCommandDeps & { box: SecretBox; jobs: Pick<Jobs, 'add'> };
  roles: RoleBooks;
  tenants: TenantCache;
  invite: UserDeps['invite'];
  tellOfTaken: UserDeps['tellOfTaken'];
}

export function createPeople({ clock, db, reads, audit, passwords, sessions, roles, tenants, invite, tellOfTaken }: PeopleParts) {
  const { transact, forget, openPersonal } = audit;
  const { box, jobs } = sessions;
  const users: PeopleImportDeps & AccessDeps & { db: Database } = {
    db,
    reads,
    openPersonal,
    tenants,
    invite,
    clock,
    transact,
    forget,
    roles,
    faultsOfAttributes: faultsOfUserValues,
    async checkPassword(password, about, tenantId) {
      const fault = await passwords.judge(password, wordsOf(...about, ...(await tenantWords(db, tenantId))), { tenantId });
      return fault && message(DEFAULT_LOCALE, fault.key, fault.values);
    },
    hashPassword: passwords.hash,
    setPassword: (work, input) => setPassword({ clock }, work, input),
    setImportedPassword: (work, input) => setImportedPassword({ clock }, work, input),
    setPasswords: (work, many) => setPasswordsOfNew({ clock }, work, many),
    ...(tellOfTaken ? { tellOfTaken } : {}),
    async ownAssurance(scope, userId) {
      const demand = demandOf(await findFactors(db, userId));
      return () => requireAssurance({ clock }, scope, demand);
    },
    async endAccess({ sql }, userId) {
      await deleteJourneysOf(sql, userId);
      await endAccess(sessions, userId, sql);
    },
  };
  const imports: ImportDeps = {
    db,
    clock,
    transact,
    box,
    jobs,
    people: {
      wishesOf: (scope, format, lines) => wishesOf(users, scope, format, lines),
      carryOut: (work, scope, wishes, run) => carryOut(users, work, scope, wishes, run),
    },
  };
  const routes: Route[] = [...userRoutes(users), ...importRoutes(imports), ...meRoutes(users)];
  const handlers = {
    [IMPORT_JOB]: importHandler(imports),
    [IMPORT_TEND_JOB]: importTendHandler(imports),
    ...sessionLimitJobs({ ...sessions, db, tenants }),
  };
  return { users, routes, handlers };
}
