import { Provider } from 'oidc-provider';
import { limitJob } from '../features/sessions/limit.ts';
import type { TenantCache } from '../features/tenants/index.ts';
import { settingsOf } from '../features/tenants/settings.ts';
import { epochNow } from './access-epoch.ts';
import { accountRecordOf } from './accounts.ts';
import { units } from './unit-of-work.ts';

/** Where the tenant that a person is at home in says how many sessions they may have, a sign-in has the others counted once it is committed. */
export function limitSessions(provider: Provider, { tenants }: { tenants: Pick<TenantCache, 'find'> }): void {
  const prototype = provider.Session.prototype as { save(ttl: number): Promise<string> };
  const save = prototype.save;
  prototype.save = async function (this: typeof prototype, ttl) {
    const person = epochNow() === undefined ? undefined : accountRecordOf(Provider.ctx?.oidc.account);
    const home = person && (await tenants.find(person.homeTenantId));
    if (person && home && settingsOf(home).sessions.max !== undefined) {
      const unit = units.getStore();
      if (unit && !unit.jobs.some(({ key }) => key === limitJob(person.id).key)) unit.jobs.push(limitJob(person.id));
    }
    return save.call(this, ttl);
  };
}
