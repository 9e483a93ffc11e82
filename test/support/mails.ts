/** The mails of a running server, and the sign-in page that leads to them. */
import type { RunningApp } from './app.ts';
import type { Browser, Page } from './browser.ts';
import { authorization } from './oidc.ts';

export interface Mail {
  to: string;
  subject: string;
  text: string;
  html: string;
}

/** At the sign-in page of a client, or at what is below it: `/register`, `/reset`. */
export async function openSignIn(
  app: RunningApp,
  clientId: string,
  path = '',
  extra: Record<string, string> = {},
): Promise<[Browser, Page]> {
  const browser = app.browser();
  const { page } = await browser.go(authorization(clientId, { scope: 'openid', ...extra }).path);
  return [browser, path === '' ? page! : (await browser.go(`${page!.url}${path}`)).page!];
}

export const mailsOf = async (app: RunningApp): Promise<Mail[]> =>
  (await fetch(`${app.issuer}/dev/mailbox.json`)).json() as Promise<Mail[]>;

/** All mails, once everything that is to be mailed has been. */
export async function settledMails(app: RunningApp): Promise<Mail[]> {
  for (let round = 0; round < 100; round += 1) {
    const { rows } = await app.owner.query<{ left: string }>(
      `select count(*) as left from graphile_worker.jobs where task_identifier like '%mail%' or task_identifier like 'login%'`,
    );
    if (rows[0]?.left === '0') return mailsOf(app);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error('mails are left in the queue');
}
