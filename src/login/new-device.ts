/** A sign-in from a device that the person never came from is told by mail: when it is theirs they know it, and when not they can end it. */
import { type Static, Type } from '@sinclair/typebox';
import type { Scope } from '../core/scope.ts';
import { RULES } from '../infra/limits.ts';
import { renderMail } from './mails/render.ts';
import { atPerson, type NoticeDeps, openNotice, REQUEST, scopeOfNotice, sealNotice } from './notice.ts';
import { limited } from './refusal.ts';

const JOB = 'login.new-device';

const Arrival = Type.Object({ ...REQUEST.properties, userId: Type.String() });

/** What the engine calls once somebody has proven who they are on a device that they have not signed in on before; not at their first sign-in. */
export type NewDevice = (scope: Scope, userId: string, locale: string | undefined) => Promise<void>;

export const createNewDevice =
  (deps: Pick<NoticeDeps, 'box' | 'clock' | 'jobs'>): NewDevice =>
  async (scope, userId, locale) => {
    const told: Static<typeof Arrival> = { ...atPerson(deps, scope, locale), userId };
    await deps.jobs.add({ name: JOB, payload: sealNotice(deps, JOB, told) });
  };

/** The job that records `device.new` and has the mail sent. */
export const newDeviceJobs = (deps: NoticeDeps): Readonly<Record<string, (payload: unknown) => Promise<void>>> => ({
  async [JOB](payload) {
    const told = openNotice(deps, JOB, Arrival, payload);
    const person = await deps.findPerson(told.userId);
    if (!person) return;
    // A browser that keeps no cookies is new each time; so often is enough.
    const isQuiet = await limited(() => deps.limits.consume(RULES.newDeviceMail, person.id));
    await deps.transact(scopeOfNotice(told), async (work) => {
      work.record({ type: 'device.new', outcome: 'success', target: { type: 'user', id: person.id }, personId: person.id });
      if (isQuiet || !person.email || !person.emailVerified || !deps.mail) return;
      const { issuer } = told.request;
      const cause = { at: new Date(told.at), address: told.request.address, device: told.request.device };
      const mail = renderMail('new-device', [person.locale, told.locale].filter(Boolean).join(), {
        cause,
        issuer,
        accountUrl: `${issuer}/account`,
      });
      await deps.queueMail({ to: person.email, ...mail }, work.sql, { tenantId: told.tenantId });
    });
  },
});
