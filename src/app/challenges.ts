import type { Clock } from '../core/clock.ts';
import type { TenantCache } from '../features/tenants/index.ts';
import { settingsOf } from '../features/tenants/settings.ts';
import type { Limits } from '../infra/limits.ts';
import type { SecretBox } from '../infra/secret-box.ts';
import { type Challenges, createProofOfWork } from '../login/challenge.ts';

/** What each tenant has asked of browsers before they have messages sent: the one kind there is, or nothing. */
export const createChallenges = ({
  tenants,
  ...deps
}: {
  box: SecretBox;
  clock: Clock;
  limits: Limits;
  tenants: TenantCache;
}): Challenges =>
  createProofOfWork({
    ...deps,
    async difficultyOf(tenantId) {
      const tenant = await tenants.find(tenantId);
      return tenant && settingsOf(tenant).challenge?.difficulty;
    },
  });
