/** Passwords with the policy of each tenant. */
import { createPasswords, type Passwords } from '../features/credentials/passwords.ts';
import type { PasswordRules } from '../features/credentials/policy.ts';
import { findLastHashes } from '../features/credentials/store.ts';
import type { TenantCache } from '../features/tenants/index.ts';
import { settingsOf } from '../features/tenants/settings.ts';
import { createPasswordHasher } from '../infra/password-hash.ts';
import type { Database } from '../infra/postgres.ts';

export function createTenantPasswords(deps: { db: Database; tenants: Pick<TenantCache, 'find'>; rules: PasswordRules }): Passwords {
  return createPasswords({
    hasher: createPasswordHasher(),
    rules: deps.rules,
    async policyOf(tenantId) {
      const facts = await deps.tenants.find(tenantId);
      return facts && settingsOf(facts).password;
    },
    lastHashes: (userId, most) => findLastHashes(deps.db, userId, most),
  });
}
