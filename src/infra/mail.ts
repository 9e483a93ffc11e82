/** Mail: by SMTP, or into the development mailbox; always through a job, whose payload is sealed. */
import type { Transporter } from 'nodemailer';
import type { Clock } from '../core/clock.ts';
import { AppError } from '../core/errors.ts';
import type { Job, JobHandler } from './jobs.ts';
import type { Logger } from './log.ts';
import { isMailAddress, type MailAddress } from './mail-address.ts';
import type { Sql } from './postgres.ts';
import type { SecretBox } from './secret-box.ts';
import { isLoopbackUrl } from './setting-checks.ts';

export interface Mail {
  /** One address, without a name. */
  to: string;
  subject: string;
  html: string;
  text: string;
  /** What the sender is called; as the installation says where nothing is said. The address stays the installation's. */
  fromName?: string | undefined;
  /** The same in a tenant's name. */
  inNameOf?: ((brand: string) => Pick<Mail, 'subject' | 'html' | 'text'>) | undefined;
}

export interface Mailer {
  /** Hands the mail over. Throws where it was not accepted, and AppError `mail.bad_address` where the address cannot be one. */
  send(mail: Mail): Promise<void>;
}

/**
 * Puts a mail in the queue; with `sql` it is sent when, and only when, that transaction commits. `until`: when it says nothing of use any
 * more; still in the queue then, it is dropped. `tenantId`: whose message it is. Throws 503 `mail.not_configured` where there is no mailer.
 */
export type QueueMail = (mail: Mail, sql?: Sql, options?: { until?: Date; tenantId?: string }) => Promise<void>;

export const MAIL_JOB = 'mail.send';
const CONTEXT = 'mail';
const TIMEOUT_MS = 10_000;

/** A mailer over SMTP; `url` is `smtp://[user:password@]host[:port]` (STARTTLS, required beyond loopback) or `smtps://…`. */
export function createSmtpMailer(url: string, from: MailAddress): Mailer {
  const { protocol, hostname, port, username, password } = new URL(url);
  const secure = protocol === 'smtps:';
  const options = {
    host: hostname.replace(/^\[|\]$/g, ''),
    port: port ? Number(port) : secure ? 465 : 587,
    secure,
    requireTLS: !secure && !isLoopbackUrl(`http://${hostname}`),
    ...(username ? { auth: { user: decodeURIComponent(username), pass: decodeURIComponent(password) } } : {}),
    connectionTimeout: TIMEOUT_MS,
    greetingTimeout: TIMEOUT_MS,
    socketTimeout: 2 * TIMEOUT_MS,
    dnsTimeout: TIMEOUT_MS,
    disableFileAccess: true,
    disableUrlAccess: true,
    tls: { minVersion: 'TLSv1.2' },
  } as const;
  let transport: Transporter | undefined;
  return {
    async send(mail) {
      checkMail(mail);
      const { to, subject, html, text, fromName } = mail;
      // Read from disk with the first mail: a server that sends none does without.
      const { default: nodemailer } = await import('nodemailer');
      transport ??= nodemailer.createTransport(options);
      await transport.sendMail({
        from: fromName === undefined ? { ...from } : { ...from, name: fromName },
        to: { address: to, name: '' },
        subject,
        html,
        text,
        headers: { 'Auto-Submitted': 'auto-generated' },
      });
    },
  };
}

/** Throws where a mail could become another than was meant: several recipients, or a header more. */
export function checkMail({ to, subject, fromName = '' }: Mail): void {
  if (!isMailAddress(to)) throw new AppError('mail.bad_address', 422, 'This is no address that mail can be sent to');
  if (/\p{Cc}/u.test(subject + fromName)) throw new TypeError('a subject and a name are one line');
}

interface Queue {
  add(job: Job, sql?: Sql): Promise<void>;
}

/** The way to the queue. Codes and links never lie in the database in the clear. */
export function createQueueMail(deps: {
  jobs: Queue;
  box: SecretBox;
  mailer: Mailer | undefined;
  /** Meters what was queued, even if the transaction is taken back later. */
  count?(tenantId: string): void;
  /** What the tenant calls itself; undefined: mails name the installation. */
  nameOf?(tenantId: string): Promise<string | undefined>;
  /** Whom the tenant's mails are from; undefined: the installation. */
  fromNameOf?(tenantId: string): Promise<string | undefined>;
}): QueueMail {
  return async (mail, sql, { until, tenantId } = {}) => {
    if (!deps.mailer) throw mailNotConfigured();
    const brand = tenantId === undefined || !mail.inNameOf ? undefined : await deps.nameOf?.(tenantId);
    const { to, subject, html, text } = brand === undefined ? mail : { ...mail, ...mail.inNameOf?.(brand) };
    const fromName = tenantId === undefined ? undefined : await deps.fromNameOf?.(tenantId);
    const letter: Mail = { to, subject, html, text, ...(fromName === undefined ? {} : { fromName }) };
    checkMail(letter);
    const sealed = deps.box.seal(JSON.stringify(letter), CONTEXT).toString('base64');
    await deps.jobs.add({ name: MAIL_JOB, payload: { sealed, ...(until ? { until: until.toISOString() } : {}) } }, sql);
    if (tenantId !== undefined) deps.count?.(tenantId);
  };
}

/** The handler of `mail.send`. */
export function mailHandler(deps: { box: SecretBox; mailer: Mailer | undefined; clock: Clock; log: Logger }): JobHandler {
  return async (payload) => {
    const { sealed, until } = payload as { sealed?: unknown; until?: unknown };
    if (typeof until === 'string' && Date.parse(until) <= deps.clock.now().getTime())
      return deps.log.warn({ until }, 'a mail could not be sent in time and was dropped');
    if (!deps.mailer) throw mailNotConfigured();
    if (typeof sealed !== 'string') throw new TypeError('a mail job without its mail');
    await deps.mailer.send(JSON.parse(deps.box.open(Buffer.from(sealed, 'base64'), CONTEXT).toString('utf8')) as Mail);
  };
}

/** What routes that need mail answer where none can be sent. */
export const mailNotConfigured = (): AppError =>
  new AppError('mail.not_configured', 503, 'Mail is not set up on this server', { detail: 'Set SMTP_URL.' });
