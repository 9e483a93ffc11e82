/** People who are invited, and what they do at the pages. */
import assert from 'node:assert/strict';
import { startTestApp } from '#test/support/app.ts';
import type { Browser, Page } from '#test/support/browser.ts';
import { submit, visit } from '#test/support/person.ts';

export const PASSWORD = 'violet cactus thunder marble';

/** Everything the specs of it begin with; `close` ends it. */
export async function startInvited() {
  const app = await startTestApp({ env: { LOG_LEVEL: 'trace' } });
  async function makeTenant(name: string, more: object = {}): Promise<string> {
    const made = await app.api('POST', '/api/tenants', { name, type: 'team', ...more });
    assert.equal(made.status, 201, made.text);
    return String(made.body['id']);
  }
  const tenantId = await makeTenant('Acme');
  let number = 0;
  const secrets: string[] = [];
  const newAddress = (): string => `newcomer${++number}@example.test`;
  async function linkFor(address: string): Promise<string> {
    for (let tries = 0; tries < 100; tries += 1) {
      const mails = (await (await fetch(`${app.issuer}/dev/mailbox.json`)).json()) as { to: string; text: string }[];
      const link = mails.filter(({ to }) => to === address).flatMap(({ text }) => /\S+\/account\/invitations\/[\w-]+/.exec(text) ?? [])[0];
      if (link) {
        secrets.push(link.split('/').at(-1)!);
        return link;
      }
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error(`no invitation came to ${address}`);
  }
  async function invite(email: string, roles = ['member'], tenant = tenantId): Promise<{ id: string; link: string }> {
    const made = await app.api('POST', `/api/tenants/${tenant}/invitations`, { email, roles });
    assert.equal(made.status, 201, made.text);
    return { id: String(made.body['id']), link: await linkFor(email) };
  }
  async function addPerson(email: string, more: object = {}): Promise<string> {
    const made = await app.api('POST', '/api/users', { email, emailVerified: true, password: PASSWORD, givenName: 'Ada', ...more });
    assert.equal(made.status, 201, made.text);
    return String(made.body['id']);
  }
  const headingOf = (page: Page | undefined): string => /<h1>([^<]*)<\/h1>/.exec(page?.text ?? '')?.[1] ?? '';
  async function open(browser: Browser, url: string): Promise<Page> {
    const { page } = await browser.go(url);
    assert.ok(page, url);
    return page;
  }
  const follow = (browser: Browser, page: Page, part: string): Promise<Page> => {
    const href = new RegExp(`href="([^"]*${part}[^"]*)"`).exec(page.text)?.[1];
    assert.ok(href, `no link to ${part} on ${page.text}`);
    return open(browser, new URL(href.replaceAll('&amp;', '&'), page.url).href);
  };
  const send = async (browser: Browser, page: Page, values: Record<string, string>): Promise<Page> => {
    const next = await submit(browser, page, values);
    assert.ok(next.page, next.location?.href);
    return next.page;
  };
  const rolesIn = async (email: string, tenant = tenantId): Promise<string[] | undefined> => {
    const { rows } = await app.owner.query(
      'select m.roles from users u, memberships_of(u.id) m where u.email_key = $1 and m.tenant_id = $2',
      [email, tenant],
    );
    return rows[0]?.roles;
  };
  const signIn = async (email: string): Promise<Browser> => {
    const browser = app.browser();
    const { page } = await visit(browser, '/account', { login: email, password: PASSWORD });
    assert.equal(new URL(page!.url).pathname, '/account', page!.text);
    return browser;
  };

  const close = () => app?.close();
  return {
    app,
    tenantId,
    secrets,
    makeTenant,
    newAddress,
    linkFor,
    invite,
    addPerson,
    headingOf,
    open,
    follow,
    send,
    rolesIn,
    signIn,
    close,
  };
}
export type Invited = Awaited<ReturnType<typeof startInvited>>;
