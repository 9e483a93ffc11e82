/** A new address or number counts once a code that went there has come back; the address before is told, whatever is changed. */
import { addSeconds } from '../core/clock.ts';
import { notFound } from '../core/errors.ts';
import { newSecret, sha256 } from '../core/ids.ts';
import { message, type Note } from '../core/messages/catalogue.ts';
import type { Scope } from '../core/scope.ts';
import type { Tell } from '../features/me/deletion.ts';
import type { ContactKind } from '../features/me/index.ts';
import { isTaken, lockMe, setContact } from '../features/me/store.ts';
import { emailKey as keyOfEmail, phoneNumber } from '../features/users/names.ts';
import { addressKey } from '../infra/limits.ts';
import { violatedUnique } from '../infra/postgres.ts';
import type { CodeBinding, Codes } from '../login/codes.ts';
import { deleteJourneysOf } from '../login/journey-store.ts';
import { renderMail } from '../login/mails/render.ts';
import { holdPerson } from '../login/people-store.ts';
import { limited, type Refusal } from '../login/refusal.ts';
import type { AccountFlow } from './password.ts';
import { findContactChange, keepContactChange } from './store.ts';

export interface ContactDeps extends AccountFlow {
  codes: Codes;
  tell: Tell;
}

export interface ContactPerson {
  id: string;
  homeTenantId: string;
  email?: string | undefined;
  phone?: string | undefined;
  phoneProven: boolean;
}

/** Which change it is: a secret name, or the session that it is made in. */
export const contactChangeId = (kind: ContactKind, of: string): string => sha256(`contact\n${kind}\n${of}`);
export const newChangeToken = (): string => newSecret();

export type ContactOutcome = { errors: Readonly<Record<string, Note>> } | Refusal | { value: string; expiresAt: Date };

const contextOf = (id: string): string => `contact-change:${id}`;
const purposeOf = (kind: ContactKind) => (kind === 'email' ? 'change-email' : 'change-phone');
const nextOf = (kind: ContactKind, typed: string): string | undefined =>
  kind === 'email' ? (keyOfEmail(typed.trim()) === undefined ? undefined : typed.trim()) : phoneNumber(typed);
const keyOf = (kind: ContactKind, value: string): string => (kind === 'email' ? value.toLowerCase() : value);

interface Change {
  kind: ContactKind;
  /** See `contactChangeId`. */
  id: string;
  person: ContactPerson;
  locale: string;
}

/** Sends a code to what was typed. Whoever asks learns nothing of who has it already; that one is told. */
export async function startContactChange(deps: ContactDeps, scope: Scope, change: Change, typed: string): Promise<ContactOutcome> {
  const { kind, id, person, locale } = change;
  const value = nextOf(kind, typed);
  if (value === undefined) return { errors: { [kind]: kind === 'email' ? 'email.invalid' : 'contact.phone_invalid' } };
  const key = keyOf(kind, value);
  if (kind === 'email' ? key === person.email?.toLowerCase() : person.phoneProven && key === person.phone)
    return { errors: { [kind]: 'contact.same' } };
  if (kind === 'phone' && !deps.queueText) return { errors: { phone: 'contact.no_texts' } };
  const atHome = { ...scope, tenantId: person.homeTenantId };
  const about = { target: { type: 'user', id: person.id }, personId: person.id };
  const purpose = purposeOf(kind);
  const sender = {
    addressKey: addressKey(scope.request.address),
    tenantId: person.homeTenantId,
    userId: person.id,
    channel: kind === 'email' ? 'email' : 'sms',
  } as const;
  const held = await limited(() => deps.codes.countSending({ purpose, recipient: key }, sender));
  if (held) {
    await deps.audit.append(atHome, { ...about, type: 'code.refused', outcome: 'failure', reason: 'limit.sending', data: { purpose } });
    return held;
  }
  const expiresAt = addSeconds(deps.clock.now(), deps.codes.lifetimeSeconds);
  await deps.transact(atHome, async (work) => {
    if (!(await holdPerson(work.sql, person.id))) throw notFound('user');
    const sealed = deps.box.seal(value, contextOf(id)).toString('base64');
    await keepContactChange(work.sql, { id, userId: person.id, sealed, expiresAt });
    const taken = await isTaken(work.sql, kind, key);
    // Made in either case, so that both take as long; who has it gets no code that somebody else waits for.
    const code = await deps.codes.issue(work.sql, { purpose, journeyId: id, recipient: key }, person.id);
    const cause = { at: deps.clock.now(), address: scope.request.address, device: scope.request.device };
    const { issuer } = scope.request;
    if (kind === 'phone') {
      if (!taken)
        await deps.queueText?.({ to: value, text: textOf(deps, code, locale, issuer) }, work.sql, {
          until: expiresAt,
          tenantId: person.homeTenantId,
        });
    } else {
      const mail = taken
        ? renderMail('account-exists', locale, { cause, issuer, signInUrl: `${issuer}/account`, resetUrl: `${issuer}/account` })
        : renderMail('verify-email', locale, { code, minutes: Math.round(deps.codes.lifetimeSeconds / 60), cause, issuer });
      const to = taken?.email ?? value;
      await deps.queueMail({ to, ...mail }, work.sql, { until: expiresAt, tenantId: person.homeTenantId });
    }
    work.record({ ...about, type: `${kind}.change_started`, outcome: 'success' });
  });
  return { value, expiresAt };
}

/** The last line binds the code to our pages, for programs that fill it in. */
function textOf({ codes }: Pick<ContactDeps, 'codes'>, code: string, locale: string, issuer: string): string {
  const brand = message(locale, 'brand.name');
  const words = message(locale, 'sms.code', { code, brand, count: Math.round(codes.lifetimeSeconds / 60) });
  return `${words}\n\n@${new URL(issuer).hostname} #${code}`;
}

/** What the change that is under way changes to, where one is. */
export async function pendingContact(
  deps: Pick<ContactDeps, 'db' | 'box' | 'clock'>,
  id: string,
  userId: string,
): Promise<string | undefined> {
  const sealed = await findContactChange(deps.db, id, userId, deps.clock.now());
  return sealed === undefined ? undefined : deps.box.open(Buffer.from(sealed, 'base64'), contextOf(id)).toString('utf8');
}

const WRONG = { errors: { code: 'code.wrong' } } as const;

/** The right code makes it the person's, and ends what was under way by way of the old one: resets, sign-ins, devices that are trusted. */
export async function finishContactChange(deps: ContactDeps, scope: Scope, change: Change, code: string): Promise<ContactOutcome> {
  const { kind, id, person } = change;
  const atHome = { ...scope, tenantId: person.homeTenantId };
  const about = { target: { type: 'user', id: person.id }, personId: person.id };
  const refuse = (reason: string): Promise<void> =>
    deps.audit.append(atHome, { ...about, type: `${kind}.refused`, outcome: 'failure', reason });
  const value = await pendingContact(deps, id, person.id);
  if (value === undefined) {
    await refuse('code.none');
    return WRONG;
  }
  const binding: CodeBinding = { purpose: purposeOf(kind), journeyId: id, recipient: keyOf(kind, value) };
  const held = await limited(() => deps.codes.countTry(binding));
  if (held) {
    await refuse('limit.code');
    return held;
  }
  try {
    const done = await deps.transact(atHome, async (work) => {
      const me = await lockMe(work.sql, person.id);
      const used = await deps.codes.consume(work.sql, binding, code);
      if (used?.userId !== person.id || !me) return false;
      const now = deps.clock.now();
      await setContact(work.sql, person.id, kind, value, now);
      await deleteJourneysOf(work.sql, person.id);
      const email = me.email ?? undefined;
      if (email) {
        const news = kind === 'email' ? 'email_changed' : 'phone_changed';
        await deps.tell(work, atHome, news, { email, locale: me.locale ?? undefined, tenantId: me.home_tenant_id });
      }
      work.record({ ...about, type: `${kind}.changed`, outcome: 'success' });
      return true;
    });
    if (!done) {
      await refuse('code.wrong');
      return WRONG;
    }
  } catch (error) {
    if (!violatedUnique(error)) throw error;
    await refuse('contact.taken');
    return { errors: { [kind]: 'contact.taken' } };
  }
  await deps.codes.forgetTries(binding);
  return { value, expiresAt: deps.clock.now() };
}
