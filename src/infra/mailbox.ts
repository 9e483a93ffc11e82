/** The development mailbox: mails and texts that would have been sent, kept sealed for a day, shown to loopback peers only. */
import { type Clock, systemClock } from '../core/clock.ts';
import { newId } from '../core/ids.ts';
import { checkMail, type Mailer } from './mail.ts';
import type { Database } from './postgres.ts';
import type { SecretBox } from './secret-box.ts';

export interface KeptMessage {
  channel: 'email' | 'sms';
  to: string;
  subject: string | null;
  text: string;
  html: string | null;
  /** ISO 8601. */
  at: string;
}

export interface Mailbox extends Mailer {
  /** Keeps a text message. */
  sendText(message: { to: string; text: string }): Promise<void>;
  /** Newest first; 100 where nothing is said. */
  list(limit?: number): Promise<KeptMessage[]>;
}

const CONTEXT = 'dev-message';
const ADD = { name: 'mailbox-add', text: 'insert into dev_messages (id, sealed) values ($1, $2)' };
const LIST = { name: 'mailbox-list', text: 'select at, sealed from dev_messages order by at desc, id desc limit $1' };

export function createMailbox({ db, box, clock = systemClock }: { db: Database; box: SecretBox; clock?: Clock }): Mailbox {
  const keep = async (message: Omit<KeptMessage, 'at'>): Promise<void> => {
    await db.query(ADD, [newId(clock.now()), box.seal(JSON.stringify(message), CONTEXT)]);
  };
  return {
    async send(mail) {
      checkMail(mail);
      await keep({ channel: 'email', to: mail.to, subject: mail.subject, text: mail.text, html: mail.html });
    },
    sendText: ({ to, text }) => keep({ channel: 'sms', to, subject: null, text, html: null }),
    async list(limit = 100) {
      const rows = await db.query<{ at: Date; sealed: Buffer }>(LIST, [limit]);
      return rows.map(({ at, sealed }) => ({
        ...(JSON.parse(box.open(sealed, CONTEXT).toString('utf8')) as Omit<KeptMessage, 'at'>),
        at: at.toISOString(),
      }));
    },
  };
}
