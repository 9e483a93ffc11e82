/**
 * The message with a code is made by a job: what the page answers, and how fast, is the same whether the address is known or not.
 */
import { type Static, Type } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import type { AuditEvent } from '../core/audit-event.ts';
import { addSeconds } from '../core/clock.ts';
import { message, pickLocale } from '../core/messages/catalogue.ts';
import { anonymousScope, type Scope } from '../core/scope.ts';
import type { Work } from '../features/audit/index.ts';
import type { Job } from '../infra/jobs.ts';
import { addressKey } from '../infra/limits.ts';
import type { CodePurpose } from './codes.ts';
import { type FlowDeps, type Position, stepInvalid } from './flow.ts';
import { emailKey } from './identifiers.ts';
import type { Journey } from './journey.ts';
import { saveJourney } from './journey-store.ts';
import { chosenName, renderMail } from './mails/render.ts';
import { findPerson, findPersonByEmail, findPersonByPhone, holdPerson, type Person } from './people-store.ts';
import { limited, type Refusal } from './refusal.ts';

const JOB = 'login.send-code';
const CONTEXT = 'login-code-request';

const CodeRequest = Type.Object({
  purpose: Type.Union([
    Type.Literal('register'),
    Type.Literal('reset'),
    Type.Literal('verify'),
    Type.Literal('sign-in'),
    Type.Literal('second-factor'),
    Type.Literal('change-email'),
    Type.Literal('change-phone'),
  ]),
  journeyId: Type.String(),
  channel: Type.Union([Type.Literal('email'), Type.Literal('sms')]),
  /** Empty where there is nobody to send to. */
  to: Type.String(),
  /** Whose code it is, where that is known before the address is looked at. */
  userId: Type.Optional(Type.String()),
  /** Who has no account may get one. */
  newcomers: Type.Optional(Type.Boolean()),
  /** The method that the code is for, of those that prove who somebody is. */
  method: Type.Optional(Type.String()),
  locale: Type.String(),
  tenantId: Type.String(),
  clientId: Type.Optional(Type.String()),
  url: Type.String(),
  /** Milliseconds since the epoch. */
  at: Type.Integer(),
  request: Type.Object({ id: Type.String(), address: Type.String(), device: Type.String(), issuer: Type.String() }),
});
type CodeRequest = Static<typeof CodeRequest>;

/** A job that makes a code and sends it; queue it in the transaction that begins to wait for it. */
export function codeJob(
  { box, clock }: Pick<FlowDeps, 'box' | 'clock'>,
  { tenantId, clientId, request: { id, address, device, issuer } }: Scope,
  wanted: Omit<CodeRequest, 'tenantId' | 'clientId' | 'at' | 'request'>,
): Job {
  const request: CodeRequest = {
    ...wanted,
    tenantId,
    ...(clientId === undefined ? {} : { clientId }),
    at: clock.now().getTime(),
    request: { id, address, device, issuer },
  };
  return { name: JOB, payload: { sealed: box.seal(JSON.stringify(request), CONTEXT).toString('base64') } };
}

/** Counts a code that is about to be sent; the refusal, which is recorded, where there were too many. */
export async function countSending(deps: FlowDeps, scope: Scope, purpose: CodePurpose, email: string): Promise<Refusal | undefined> {
  const sender = { addressKey: addressKey(scope.request.address), tenantId: scope.tenantId };
  const refused = await limited(() => deps.codes.countSending({ purpose, recipient: emailKey(email) }, sender));
  if (refused) await deps.audit.append(scope, { type: 'code.refused', outcome: 'failure', reason: 'limit.sending', data: { purpose } });
  return refused;
}

/** Moves the journey to where a code is waited for, and queues the mail, in one transaction. Throws 409 `auth.step_invalid`. */
export async function awaitCode(
  deps: FlowDeps,
  at: Position,
  next: Journey,
  purpose: CodePurpose,
  email: string,
  events: readonly AuditEvent[],
): Promise<Journey> {
  const { locale, url } = at;
  const job = codeJob(deps, at.scope, { purpose, journeyId: next.id, channel: 'email', to: email, locale, url });
  await deps.transact(at.scope, async (work) => {
    if (!(await saveJourney(work.sql, next, at.row))) throw stepInvalid();
    for (const event of events) work.record(event);
    work.later(job);
  });
  return { ...next, version: next.version + 1 };
}

/** The handlers of this folder's jobs, by name. */
export const loginJobs = (deps: FlowDeps): Readonly<Record<string, (payload: unknown) => Promise<void>>> => ({
  [JOB]: (payload) => sendCode(deps, payload),
});

async function sendCode(deps: FlowDeps, payload: unknown): Promise<void> {
  const asked = openRequest(deps, payload);
  const { purpose, channel, tenantId } = asked;
  // Queued for too long: whoever waited has given up or asked again.
  const until = addSeconds(new Date(asked.at), deps.codes.lifetimeSeconds);
  if (deps.clock.now() >= until) return;
  const scope: Scope = { ...anonymousScope(tenantId, asked.clientId), request: asked.request };
  const recipient = channel === 'email' ? emailKey(asked.to) : asked.to;
  const person = await personOf(deps, asked, recipient);
  // In the language of whoever reads it, which the page could not know.
  const request = { ...asked, locale: pickLocale(person?.locale, asked.locale) };
  // A message goes to the address that was proven, not to the spelling that somebody asked with.
  const to = (channel === 'email' ? person?.email : undefined) ?? request.to;
  const about = person ? { target: { type: 'user', id: person.id }, personId: person.id } : {};

  const reason = reasonAgainst(request, person);
  if (reason !== undefined) {
    await deps.transact(scope, async (work) => {
      work.record({ ...about, type: 'code.refused', outcome: 'failure', reason, data: { purpose, channel } });
      if (purpose === 'register') await tellOwner(deps, work, request, to);
    });
    return;
  }
  await deps.transact(scope, async (work) => {
    const binding = { purpose, journeyId: request.journeyId, recipient };
    if (person && !(await holdPerson(work.sql, person.id))) {
      work.record({ type: 'code.refused', outcome: 'failure', reason: 'account.unknown', data: { purpose, channel } });
      return;
    }
    const code = await deps.codes.issue(work.sql, binding, person?.id);
    if (channel === 'sms') await deps.queueText?.({ to, ...codeText(deps, request, code) }, work.sql, { until, tenantId });
    else await deps.queueMail({ to, ...codeMail(deps, request, code) }, work.sql, { until, tenantId });
    work.record({ ...about, type: 'code.sent', outcome: 'success', data: { purpose, channel } });
  });
}

/** Whom the code is for: the one who has the address, or the one who is signing in and still has it. */
async function personOf(deps: FlowDeps, { channel, userId, to }: CodeRequest, recipient: string): Promise<Person | undefined> {
  if (to === '') return undefined;
  if (userId === undefined) return channel === 'email' ? findPersonByEmail(deps.db, recipient) : findPersonByPhone(deps.db, recipient);
  const person = await findPerson(deps.db, userId);
  const address = channel === 'email' ? person?.email && emailKey(person.email) : person?.phone;
  return address === recipient ? person : undefined;
}

/** Why nobody gets a code. */
function reasonAgainst({ purpose, to, newcomers = false, channel }: CodeRequest, person: Person | undefined): string | undefined {
  if (to === '') return 'account.unknown';
  switch (purpose) {
    case 'register':
      return person ? 'account.exists' : undefined;
    case 'change-email':
    case 'change-phone':
      return person ? 'account.exists' : undefined;
    case 'sign-in':
      if (!person) return newcomers ? undefined : 'account.unknown';
      break;
    default:
      if (!person) return 'account.unknown';
  }
  if (!person.active) return 'account.disabled';
  return purpose === 'second-factor' && channel === 'sms' && !person.phoneVerified ? 'phone.unverified' : undefined;
}

function openRequest(deps: FlowDeps, payload: unknown): CodeRequest {
  const sealed = (payload as { sealed?: unknown } | null)?.sealed;
  const request: unknown = JSON.parse(deps.box.open(Buffer.from(String(sealed), 'base64'), CONTEXT).toString('utf8'));
  if (!Value.Check(CodeRequest, request)) throw new TypeError(`${JOB}: not a request of this version`);
  return request;
}

function codeMail(deps: FlowDeps, { purpose, method, locale, url, at, request }: CodeRequest, code: string) {
  const about = { code, minutes: Math.round(deps.codes.lifetimeSeconds / 60), cause: causeOf(at, request), issuer: request.issuer };
  if (purpose === 'reset') return renderMail('password-reset', locale, { ...about, url });
  if (purpose !== 'sign-in' && purpose !== 'second-factor') return renderMail('verify-email', locale, about);
  return renderMail('sign-in-code', locale, { ...about, ...(method === 'magic-link' ? { url: `${url}/link?code=${code}` } : {}) });
}

/** The last line binds the code to our pages for programs that fill it in: WICG, Origin-bound one-time codes delivered via SMS. */
function codeText(deps: FlowDeps, { locale, request }: CodeRequest, code: string) {
  const minutes = Math.round(deps.codes.lifetimeSeconds / 60);
  const inNameOf = (brand: string): string =>
    `${message(locale, 'sms.code', { code, brand: chosenName(brand), count: minutes })}\n\n@${new URL(request.issuer).hostname} #${code}`;
  return { text: inNameOf(message(locale, 'brand.name')), inNameOf };
}

/** Whoever registers learns nothing; whoever the address belongs to learns of it, in their own mailbox. */
async function tellOwner(deps: FlowDeps, work: Work, { tenantId, locale, at, request }: CodeRequest, to: string): Promise<void> {
  const mail = renderMail('account-exists', locale, {
    cause: causeOf(at, request),
    issuer: request.issuer,
    signInUrl: `${request.issuer}/account`,
    resetUrl: `${request.issuer}/account`,
  });
  await deps.queueMail({ to, ...mail }, work.sql, { tenantId });
}

const causeOf = (at: number, { address, device }: CodeRequest['request']) => ({ at: new Date(at), address, device });
