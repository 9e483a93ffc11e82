import { systemClock } from '#src/core/clock.ts';
import { message } from '#src/core/messages/catalogue.ts';
import { checkUserValues, faultsOfUserValues } from '#src/features/attributes/values.ts';
import { setImportedPassword, setPassword } from '#src/features/credentials/commands.ts';
import { judgePassword } from '#src/features/credentials/policy.ts';
import type { InvitationDeps } from '#src/features/invitations/index.ts';
import { inviteOrFind } from '#src/features/invitations/invite.ts';
import { bookOf } from '#src/features/roles/book.ts';
import { readTenant } from '#src/features/tenants/store.ts';
import type { AccessDeps } from '#src/features/users/access.ts';
import type { UserDeps } from '#src/features/users/commands.ts';
import { meRoutes } from '#src/features/users/me.ts';
import { userRoutes } from '#src/features/users/routes.ts';
import { createJobs } from '#src/infra/jobs.ts';
import { createLimits } from '#src/infra/limits.ts';
import { createQueueMail } from '#src/infra/mail.ts';
import { createMailbox } from '#src/infra/mailbox.ts';
import { createPasswordHasher } from '#src/infra/password-hash.ts';
import { type ApiHarness, type Parts, startApi } from '#test/support/api.ts';
import { rolesKept } from '#test/support/roles.ts';

/** The real slice, with what app.ts gives it; ends access as far as this slice's tables tell. */
export function userDeps({ db, transact, forget, openPersonal, box, log }: Parts): UserDeps & AccessDeps & { db: Parts['db'] } {
  const invitations: InvitationDeps = {
    db,
    clock: systemClock,
    transact,
    limits: createLimits({ db }),
    queueMail: createQueueMail({ jobs: createJobs(db, log), box, mailer: createMailbox({ db, box, clock: systemClock }) }),
    render: ({ url }) => ({ subject: 'Invitation', html: url, text: url }),
    bookOf,
    checkAttributes: checkUserValues,
    baseIssuer: 'https://op.test',
  };
  const passwords = createPasswordHasher();
  return {
    db,
    reads: db,
    openPersonal,
    tenants: { find: (id) => readTenant(db, id) },
    invite: (work, scope, input) => inviteOrFind(invitations, work, scope, input),
    clock: systemClock,
    transact,
    async checkPassword(password, about) {
      const fault = await judgePassword({ minLength: 8, contextWords: ['gatehouse'] }, password, about);
      return fault && message('en', fault.key, fault.values);
    },
    hashPassword: passwords.hash,
    setPassword: (work, input) => setPassword({ clock: systemClock }, work, input),
    setImportedPassword: (work, input) => setImportedPassword({ clock: systemClock }, work, input),
    async endAccess({ sql }, userId) {
      for (const table of ['oidc_sessions', 'oidc_grants', 'journeys', 'one_time_codes'])
        await sql(table).where({ user_id: userId }).delete();
    },
    forget,
    faultsOfAttributes: faultsOfUserValues,
    roles: rolesKept(db),
  };
}

export const startUsers = (): Promise<ApiHarness> =>
  startApi((parts) => {
    const deps = userDeps(parts);
    return [...userRoutes(deps), ...meRoutes(deps)];
  });
