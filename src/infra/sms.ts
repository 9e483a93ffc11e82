/** Text messages: by an HTTP provider, or into the development mailbox; always through a job, whose payload is sealed. */
import type { Clock } from '../core/clock.ts';
import type { Job, JobHandler } from './jobs.ts';
import type { Logger } from './log.ts';
import type { Fetch } from './outbound-http.ts';
import type { Sql } from './postgres.ts';
import type { SecretBox } from './secret-box.ts';

export interface Text {
  /** E.164. */
  to: string;
  text: string;
  /** The same in a tenant's name. */
  inNameOf?: ((brand: string) => string) | undefined;
}

export interface Texter {
  /** Hands the message over. Throws where it was not accepted. */
  sendText(text: Text): Promise<void>;
}

/** As `QueueMail`, for text messages. */
export type QueueText = (text: Text, sql?: Sql, options?: { until?: Date; tenantId?: string }) => Promise<void>;

export const SMS_JOB = 'sms.send';
const CONTEXT = 'sms';
const NUMBER = /^\+[1-9]\d{6,14}$/;

/** A provider that takes `POST {to, text}` with a bearer token; anything but a 2xx is a failure, and the job tries again. */
export function createSmsSender({ url, token, fetch }: { url: string; token: string; fetch: Fetch }): Texter {
  return {
    async sendText({ to, text }) {
      const answer = await fetch(url, {
        method: 'POST',
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
        body: JSON.stringify({ to, text }),
      });
      await answer.body?.cancel();
      if (!answer.ok) throw new Error(`the provider of text messages answered ${answer.status}`);
    },
  };
}

export function createQueueText(deps: {
  jobs: { add(job: Job, sql?: Sql): Promise<void> };
  box: SecretBox;
  /** Meters what was queued, even if the transaction is taken back later. */
  count?(tenantId: string): void;
  /** As for mails. */
  nameOf?(tenantId: string): Promise<string | undefined>;
}): QueueText {
  return async (text, sql, { until, tenantId } = {}) => {
    if (!NUMBER.test(text.to)) throw new TypeError('a text message goes to a number in E.164');
    const brand = tenantId === undefined || !text.inNameOf ? undefined : await deps.nameOf?.(tenantId);
    const message = { to: text.to, text: brand === undefined ? text.text : (text.inNameOf?.(brand) ?? text.text) };
    const sealed = deps.box.seal(JSON.stringify(message), CONTEXT).toString('base64');
    await deps.jobs.add({ name: SMS_JOB, payload: { sealed, ...(until ? { until: until.toISOString() } : {}) } }, sql);
    if (tenantId !== undefined) deps.count?.(tenantId);
  };
}

/** The handler of `sms.send`. A message that says nothing of use any more is dropped. */
export function smsHandler(deps: { box: SecretBox; texter: Texter; clock: Clock; log: Logger }): JobHandler {
  return async (payload) => {
    const { sealed, until } = payload as { sealed?: unknown; until?: unknown };
    if (typeof until === 'string' && Date.parse(until) <= deps.clock.now().getTime())
      return deps.log.warn({ until }, 'a text message could not be sent in time and was dropped');
    if (typeof sealed !== 'string') throw new TypeError('a text job without its text');
    await deps.texter.sendText(JSON.parse(deps.box.open(Buffer.from(sealed, 'base64'), CONTEXT).toString('utf8')) as Text);
  };
}
