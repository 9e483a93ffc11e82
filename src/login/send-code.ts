/**
 * The mail with a code is made by a job: what the page answers, and how fast, is the same whether the address is known or not.
 */
import { type Static, Type } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import type { AuditEvent } from '../core/audit-event.ts';
import { addSeconds } from '../core/clock.ts';
import { anonymousScope, type Scope } from '../core/scope.ts';
import type { Work } from '../features/audit/index.ts';
import { addressKey } from '../infra/limits.ts';
import type { CodePurpose } from './codes.ts';
import type { Refusal } from './engine.ts';
import { limited } from './engine.ts';
import { type FlowDeps, type Position, stepInvalid } from './flow.ts';
import { emailKey } from './identifiers.ts';
import type { Journey } from './journey.ts';
import { saveJourney } from './journey-store.ts';
import { renderMail } from './mails/render.ts';
import { findPersonByEmail } from './people-store.ts';

const JOB = 'login.send-code';
const CONTEXT = 'login-code-request';

const CodeRequest = Type.Object({
  purpose: Type.Union([Type.Literal('register'), Type.Literal('reset'), Type.Literal('verify')]),
  journeyId: Type.String(),
  email: Type.String(),
  locale: Type.String(),
  tenantId: Type.String(),
  clientId: Type.Optional(Type.String()),
  url: Type.String(),
  /** Milliseconds since the epoch. */
  at: Type.Integer(),
  request: Type.Object({ id: Type.String(), address: Type.String(), device: Type.String(), issuer: Type.String() }),
});
type CodeRequest = Static<typeof CodeRequest>;

/** Counts a code that is about to be sent; the refusal, which is recorded, where there were too many. */
export async function countSending(deps: FlowDeps, scope: Scope, purpose: CodePurpose, email: string): Promise<Refusal | undefined> {
  const refused = await limited(() => deps.codes.countSending({ purpose, recipient: emailKey(email) }, addressKey(scope.request.address)));
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
  const request: CodeRequest = {
    purpose,
    journeyId: next.id,
    email,
    locale: at.locale,
    tenantId: at.scope.tenantId,
    ...(at.scope.clientId === undefined ? {} : { clientId: at.scope.clientId }),
    url: at.url,
    at: deps.clock.now().getTime(),
    request: at.scope.request,
  };
  await deps.transact(at.scope, async (work) => {
    if (!(await saveJourney(work.sql, next, at.row))) throw stepInvalid();
    for (const event of events) work.record(event);
    work.later({ name: JOB, payload: { sealed: deps.box.seal(JSON.stringify(request), CONTEXT).toString('base64') } });
  });
  return { ...next, version: next.version + 1 };
}

/** The handlers of this folder's jobs, by name. */
export const loginJobs = (deps: FlowDeps): Readonly<Record<string, (payload: unknown) => Promise<void>>> => ({
  [JOB]: (payload) => sendCode(deps, payload),
});

async function sendCode(deps: FlowDeps, payload: unknown): Promise<void> {
  const request = openRequest(deps, payload);
  const { purpose, email, tenantId } = request;
  // Queued for too long: whoever waited has given up or asked again.
  if (deps.clock.now().getTime() - request.at > deps.codes.lifetimeSeconds * 1000) return;
  const scope: Scope = { ...anonymousScope(tenantId, request.clientId), request: request.request };
  const person = await findPersonByEmail(deps.db, emailKey(email));
  // Mail goes to the address that was proven, not to the spelling that somebody asked with.
  const to = person?.email ?? email;
  const about = person ? { target: { type: 'user', id: person.id }, personId: person.id } : {};

  if (purpose === 'register' ? person : !person?.active) {
    const reason = !person ? 'account.unknown' : purpose === 'register' ? 'account.exists' : 'account.disabled';
    await deps.transact(scope, async (work) => {
      work.record({ ...about, type: 'code.refused', outcome: 'failure', reason, data: { purpose } });
      if (purpose === 'register') await tellOwner(deps, work, request, to);
    });
    return;
  }
  await deps.transact(scope, async (work) => {
    const binding = { purpose, journeyId: request.journeyId, recipient: emailKey(email) };
    const until = addSeconds(deps.clock.now(), deps.codes.lifetimeSeconds);
    const code = await deps.codes.issue(work.sql, binding, person?.id);
    await deps.queueMail({ to, ...codeMail(deps, request, code) }, work.sql, { until, tenantId });
    work.record({ ...about, type: 'code.sent', outcome: 'success', data: { purpose, channel: 'email' } });
  });
}

function openRequest(deps: FlowDeps, payload: unknown): CodeRequest {
  const sealed = (payload as { sealed?: unknown } | null)?.sealed;
  const request: unknown = JSON.parse(deps.box.open(Buffer.from(String(sealed), 'base64'), CONTEXT).toString('utf8'));
  if (!Value.Check(CodeRequest, request)) throw new TypeError(`${JOB}: not a request of this version`);
  return request;
}

function codeMail(deps: FlowDeps, { purpose, locale, url, at, request }: CodeRequest, code: string) {
  const about = { code, minutes: Math.round(deps.codes.lifetimeSeconds / 60), cause: causeOf(at, request), issuer: request.issuer };
  return purpose === 'reset' ? renderMail('password-reset', locale, { ...about, url }) : renderMail('verify-email', locale, about);
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
