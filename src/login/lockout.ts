/**
 * Too many wrong attempts hold an account back for a while, though not on devices that its owner signed in on before. The owner is told, once for each
 * time, by a job: what the page answers, and how fast, is the same for a name that nobody has.
 */
import { type Static, Type } from '@sinclair/typebox';
import type { Scope } from '../core/scope.ts';
import { RULES } from '../infra/limits.ts';
import { renderMail } from './mails/render.ts';
import { atPerson, type NoticeDeps, openNotice, REQUEST, scopeOfNotice, sealNotice } from './notice.ts';
import { limited } from './refusal.ts';

const JOB = 'login.account-locked';

const Locked = Type.Object({ ...REQUEST.properties, userId: Type.Optional(Type.String()) });

/** What the engine calls when it holds an attempt back. `key`: by what was typed, known or not. */
export type Locked = (scope: Scope, userId: string | undefined, key: string) => Promise<void>;

export const createLocked =
  (deps: Pick<NoticeDeps, 'box' | 'clock' | 'limits' | 'jobs'>): Locked =>
  async (scope, userId, key) => {
    // The first attempt that is held back closes the lock; those after it change nothing.
    if (await limited(() => deps.limits.consume(RULES.lockNotice, key))) return;
    const told: Static<typeof Locked> = { ...atPerson(deps, scope), ...(userId === undefined ? {} : { userId }) };
    await deps.jobs.add({ name: JOB, payload: sealNotice(deps, JOB, told) });
  };

/** The job that records `account.locked` and has the mail sent. */
export const lockedJobs = (deps: NoticeDeps): Readonly<Record<string, (payload: unknown) => Promise<void>>> => ({
  async [JOB](payload) {
    const told = openNotice(deps, JOB, Locked, payload);
    const person = told.userId === undefined ? undefined : await deps.findPerson(told.userId);
    if (!person) return;
    // Whoever attacks somebody must not fill their mailbox.
    const isQuiet = await limited(() => deps.limits.consume(RULES.lockMail, person.id));
    await deps.transact(scopeOfNotice(told), async (work) => {
      const target = { type: 'user', id: person.id };
      work.record({ type: 'account.locked', outcome: 'failure', reason: 'limit.account', target, personId: person.id });
      if (isQuiet || !person.active || !person.email || !person.emailVerified || !deps.mail) return;
      const { issuer } = told.request;
      const cause = { at: new Date(told.at), address: told.request.address, device: told.request.device };
      const mail = renderMail('account-locked', [person.locale, told.locale].filter(Boolean).join(), {
        cause,
        issuer,
        resetUrl: `${issuer}/account`,
      });
      await deps.queueMail({ to: person.email, ...mail }, work.sql, { tenantId: told.tenantId });
    });
  },
});
