/** Mails and text messages with what they go by: the outside, or the development mailbox. */
import type { Config } from '../config.ts';
import type { Clock } from '../core/clock.ts';
import type { TenantCache } from '../features/tenants/index.ts';
import { settingsOf } from '../features/tenants/settings.ts';
import type { Jobs } from '../infra/jobs.ts';
import type { Logger } from '../infra/log.ts';
import { createQueueMail, createSmtpMailer, MAIL_JOB, mailHandler } from '../infra/mail.ts';
import { createMailbox } from '../infra/mailbox.ts';
import type { Fetch } from '../infra/outbound-http.ts';
import type { Database } from '../infra/postgres.ts';
import type { SecretBox } from '../infra/secret-box.ts';
import { createQueueText, createSmsSender, SMS_JOB, smsHandler, type Texter } from '../infra/sms.ts';
import { brandName } from './branding.ts';

export interface MessageParts {
  config: Config;
  clock: Clock;
  log: Logger;
  db: Database;
  box: SecretBox;
  jobs: Jobs;
  fetch: Fetch;
  /** Meters what a tenant sends. */
  count(tenantId: string): void;
  /** Messages are sent in the name of a tenant. */
  tenants: TenantCache;
  rootTenantId: string;
}

export function createMessages({ config, clock, log, db, box, jobs, fetch, count, ...named }: MessageParts) {
  const nameOf = (tenantId: string): Promise<string | undefined> => brandName(named, tenantId);
  const fromNameOf = async (tenantId: string): Promise<string | undefined> => {
    const facts = await named.tenants.find(tenantId);
    return facts && settingsOf(facts).mail.fromName;
  };
  const isDevelopment = config.loopback && !config.production;
  const mailbox = isDevelopment && (!config.smtpUrl || !config.smsUrl) ? createMailbox({ db, box, clock }) : undefined;
  const mailer = config.smtpUrl ? createSmtpMailer(config.smtpUrl, config.mailFrom) : mailbox;
  const texter: Texter | undefined = config.smsUrl ? createSmsSender({ url: config.smsUrl, token: config.smsToken ?? '', fetch }) : mailbox;
  return {
    mailbox,
    mailer,
    queueMail: createQueueMail({ jobs, box, mailer, count, nameOf, fromNameOf }),
    queueText: texter && createQueueText({ jobs, box, count, nameOf }),
    handlers: {
      [MAIL_JOB]: mailHandler({ mailer, box, clock, log }),
      ...(texter ? { [SMS_JOB]: smsHandler({ texter, box, clock, log }) } : {}),
    },
  };
}
