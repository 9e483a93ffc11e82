/** A tenant of their own for whoever registers, where the tenant that they register at says so. */
import { AppError } from '../../core/errors.ts';
import { isId } from '../../core/ids.ts';
import { ALL_PERMISSIONS } from '../../core/permissions.ts';
import { systemScope } from '../../core/scope.ts';
import type { Job, JobHandler } from '../../infra/jobs.ts';
import type { Database } from '../../infra/postgres.ts';
import { createTenant, type TenantDeps } from './commands.ts';
import type { TenantInput } from './schema.ts';
import { nameOfPerson } from './tenants-store.ts';

export const PERSONAL_JOB = 'tenant.personal';

export interface PersonalTenant {
  userId: string;
  templateId?: string | undefined;
}

/** To be added in the transaction that makes the person. */
export const personalTenantJob = ({ userId, templateId }: PersonalTenant): Job => ({
  name: PERSONAL_JOB,
  payload: { userId, ...(templateId === undefined ? {} : { templateId }) },
  key: `${PERSONAL_JOB}:${userId}`,
});

/** The handler of `tenant.personal`. The slug is the person's, so that a second try finds the tenant of the first. */
export const personalTenantHandler =
  (deps: TenantDeps & { db: Database }, rootTenantId: string): JobHandler =>
  async (payload) => {
    const { userId, templateId } = payload as Partial<Record<keyof PersonalTenant, unknown>>;
    if (typeof userId !== 'string' || !isId(userId)) throw new TypeError('a job for nobody');
    const name = await deps.db.transaction((sql) => nameOfPerson(sql, userId));
    if (name === undefined) return;
    const scope = systemScope(rootTenantId, 'registration', ALL_PERMISSIONS);
    const input = { name, slug: `personal-${userId.replaceAll('-', '')}`, ownerId: userId };
    const make = (more: Pick<TenantInput, 'templateId' | 'type'>) => createTenant(deps, scope, { ...input, ...more });
    try {
      if (typeof templateId !== 'string') await make({ type: 'personal' });
      else
        await make({ templateId }).catch((error: unknown) => {
          // The template was deleted since it was chosen: nobody goes without a tenant for that.
          if (error instanceof AppError && error.errors?.some(({ pointer }) => pointer === '/templateId'))
            return make({ type: 'personal' });
          throw error;
        });
    } catch (error) {
      const { code, errors } = error instanceof AppError ? error : ({} as Partial<AppError>);
      // Made before, or the person is gone already.
      if (code === 'tenant.slug_taken' || errors?.some(({ pointer }) => pointer === '/ownerId')) return;
      throw error;
    }
  };
