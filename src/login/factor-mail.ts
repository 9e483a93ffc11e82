import type { Clock } from '../core/clock.ts';
import { pickLocale } from '../core/messages/catalogue.ts';
import type { Scope } from '../core/scope.ts';
import type { QueueMail } from '../infra/mail.ts';
import type { Sql } from '../infra/postgres.ts';
import { type FactorMail, renderMail } from './mails/render.ts';

export interface FactorNews {
  /** Nobody is told where there is none. */
  email: string | undefined;
  locale: string | undefined;
  homeTenantId: string;
  what: FactorMail['what'];
  /** How many recovery codes are left. */
  left?: number;
}

/** Tells the person what happened to their factors; with `sql`, when and only when that commits. */
export async function tellOfFactor(
  deps: { clock: Clock; queueMail: QueueMail },
  { request: { address, device, issuer } }: Pick<Scope, 'request'>,
  { email, locale, homeTenantId, what, left }: FactorNews,
  sql?: Sql,
): Promise<void> {
  if (email === undefined || issuer === '') return;
  const cause = { at: deps.clock.now(), address, device };
  const mail = renderMail('factor-changed', pickLocale(locale), { what, left, cause, issuer, accountUrl: `${issuer}/account/security` });
  await deps.queueMail({ to: email, ...mail }, sql, { tenantId: homeTenantId });
}
