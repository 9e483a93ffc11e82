/** One-time codes by mail and text message: six digits, kept as keyed hashes, good for one journey, one purpose and one recipient (ASVS 6.5, 6.6). */
import { randomInt } from 'node:crypto';
import { addSeconds, type Clock } from '../core/clock.ts';
import { newId } from '../core/ids.ts';
import { type Limits, RULES } from '../infra/limits.ts';
import type { Database, Sql } from '../infra/postgres.ts';
import type { SecretBox } from '../infra/secret-box.ts';
import { consumeCode, findCode, replaceCode } from './codes-store.ts';

export type CodePurpose = 'register' | 'reset' | 'verify' | 'sign-in' | 'second-factor' | 'change-email' | 'change-phone';

/** What a code is bound to: it is worth nothing with another of any of these. */
export interface CodeBinding {
  purpose: CodePurpose;
  journeyId: string;
  /** The address's key, as people are unique by it, or the number. */
  recipient: string;
}

/** Whose sending it is, as far as that is known: each has a limit of its own. */
export interface Sender {
  addressKey: string;
  tenantId?: string | undefined;
  userId?: string | undefined;
  channel?: 'email' | 'sms' | undefined;
}

export interface Codes {
  readonly lifetimeSeconds: number;
  /** Makes a code in place of the journey's earlier ones of that purpose. The answer is the only copy in the clear: for the mail, nowhere else. */
  issue(sql: Sql, binding: CodeBinding, userId?: string): Promise<string>;
  /** Counts a sending, by the asker's address, recipient, account and tenant; a text message costs the tenant ten mails. Throws 429 `limit.exceeded`. */
  countSending(binding: Pick<CodeBinding, 'purpose' | 'recipient'>, sender: Sender): Promise<void>;
  /**
   * Counts a try before it is made: five in all for a recipient and purpose, over however many codes and journeys, however parallel.
   * Throws 429 `limit.exceeded`.
   */
  countTry(binding: Pick<CodeBinding, 'purpose' | 'recipient'>): Promise<void>;
  /** Uses the code up in the transaction of what it allows; undefined where it is wrong, used or expired. */
  consume(sql: Sql, binding: CodeBinding, code: string): Promise<{ userId: string | undefined } | undefined>;
  /** Whether the code is the one that the journey waits for, without using it up; undefined where it waits for none. Its id is for who uses it up. */
  find(db: Database, binding: CodeBinding, code: string): Promise<{ id: string; isRight: boolean } | undefined>;
  /** After a right code the wrong ones before it no longer count. */
  forgetTries(binding: Pick<CodeBinding, 'purpose' | 'recipient'>): Promise<void>;
}

const CODE = /^[0-9]{6}$/;
/** As it was typed, or copied in groups. */
const digitsOf = (typed: string): string => typed.replace(/\s/g, '');

export function createCodes(deps: { clock: Clock; box: SecretBox; limits: Limits; lifetimeSeconds?: number }): Codes {
  const { clock, box, limits, lifetimeSeconds = 600 } = deps;
  const textOf = ({ purpose, journeyId, recipient }: CodeBinding, code: string): string => [purpose, journeyId, recipient, code].join('\n');
  const keyOf = ({ purpose, recipient }: Pick<CodeBinding, 'purpose' | 'recipient'>): string =>
    `${purpose}.${box.mac('code-recipient', recipient)}`;

  return {
    lifetimeSeconds,
    async issue(sql, binding, userId) {
      const code = String(randomInt(1_000_000)).padStart(6, '0');
      const now = clock.now();
      await replaceCode(sql, {
        id: newId(now),
        purpose: binding.purpose,
        journeyId: binding.journeyId,
        recipientHash: box.mac('code-recipient', binding.recipient),
        codeHash: box.mac('one-time-code', textOf(binding, code)),
        userId,
        expiresAt: addSeconds(now, lifetimeSeconds),
      });
      return code;
    },
    async countSending(binding, { addressKey, tenantId, userId, channel }) {
      await limits.consume(RULES.codeSendByAddress, addressKey);
      await limits.consume(RULES.codeSendByRecipient, keyOf(binding));
      if (userId !== undefined) await limits.consume(RULES.codeSendByAccount, userId);
      if (tenantId !== undefined) await limits.consume(RULES.codeSendByTenant, tenantId, channel === 'sms' ? 10 : 1);
    },
    countTry: (binding) => limits.consume(RULES.codeTryByAccount, keyOf(binding)),
    async consume(sql, binding, typed) {
      const code = digitsOf(typed);
      if (!CODE.test(code)) return undefined;
      return consumeCode(sql, {
        purpose: binding.purpose,
        journeyId: binding.journeyId,
        recipientHashes: box.macAll('code-recipient', binding.recipient),
        codeHashes: box.macAll('one-time-code', textOf(binding, code)),
        now: clock.now(),
      });
    },
    async find(db, binding, typed) {
      const code = digitsOf(typed);
      return findCode(db, {
        purpose: binding.purpose,
        journeyId: binding.journeyId,
        recipientHashes: box.macAll('code-recipient', binding.recipient),
        codeHashes: CODE.test(code) ? box.macAll('one-time-code', textOf(binding, code)) : [],
        now: clock.now(),
      });
    },
    forgetTries: (binding) => limits.reset(RULES.codeTryByAccount, keyOf(binding)),
  };
}
