import { systemClock } from '#src/core/clock.ts';
import { message } from '#src/core/messages/catalogue.ts';
import { setImportedPassword, setPassword } from '#src/features/credentials/commands.ts';
import { judgePassword } from '#src/features/credentials/policy.ts';
import type { UserDeps } from '#src/features/users/commands.ts';
import { meRoutes } from '#src/features/users/me.ts';
import { userRoutes } from '#src/features/users/routes.ts';
import { createPasswordHasher } from '#src/infra/password-hash.ts';
import { type ApiHarness, type Parts, startApi } from '#test/support/api.ts';
import { rolesNow } from '#test/support/roles.ts';

/** The real slice, with what app.ts gives it; ends access as far as this slice's tables tell. */
export function userDeps({ db, transact, forget }: Parts): UserDeps & { db: Parts['db'] } {
  const passwords = createPasswordHasher();
  return {
    db,
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
    roles: rolesNow(db),
  };
}

export const startUsers = (): Promise<ApiHarness> =>
  startApi((parts) => {
    const deps = userDeps(parts);
    return [...userRoutes(deps), ...meRoutes(deps)];
  });
