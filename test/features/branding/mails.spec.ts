import assert from 'node:assert/strict';
import { type RunningApp, startTestApp } from '#test/support/app.ts';
import { submit } from '#test/support/person.ts';
import { type Settled, settle } from '#test/support/two-tenants.ts';

interface Kept {
  to: string;
  subject: string;
  html: string;
  text: string;
}

describe('mails of a tenant', function () {
  this.timeout(60_000);
  let app: RunningApp;
  let tenant: Settled;

  before(async () => {
    app = await startTestApp();
    tenant = await settle(app, 'mails');
    const settings = { branding: { displayName: 'Äpfel & evil.example' } };
    assert.equal((await app.api('PATCH', `/api/tenants/${tenant.tenantId}`, { settings })).status, 200);
  });
  after(() => app.close());

  /** A person at home in the tenant who asks for a new password on a page in English. */
  async function mailTo(email: string, locale: string | undefined, clientId: string, redirectUri: string): Promise<Kept> {
    const person = { email, emailVerified: true, password: 'violet cactus thunder marble', ...(locale === undefined ? {} : { locale }) };
    const made = await app.api('POST', '/api/users', person, { 'x-tenant-id': tenant.tenantId });
    assert.equal(made.status, 201, made.text);
    const browser = app.browser({ 'accept-language': 'fr' });
    const { page } = await browser.go(
      `/auth?${new URLSearchParams({
        client_id: clientId,
        redirect_uri: redirectUri,
        response_type: 'code',
        scope: 'openid',
        code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM',
        code_challenge_method: 'S256',
      })}`,
    );
    const link = /href="([^"]*\/reset)"/.exec(page!.text)?.[1];
    const { page: form } = await browser.go(link!);
    await submit(browser, form!, { email });
    await app.codeFor(email);
    const mails = (await (await fetch(`${app.issuer}/dev/mailbox.json`)).json()) as Kept[];
    return mails.find(({ to }) => to === email)!;
  }
  const ofTenant = (): [string, string] => [tenant.ids['clients']!, `https://${tenant.mark}.example/cb`];

  it('carry its name, of which no mail program makes a link, in the language of who reads them', async () => {
    const mail = await mailTo('ada@reads.example', 'de-AT', ...ofTenant());
    assert.match(mail.subject, /^\d{6} ist Ihr Code, um Ihr Passwort für Äpfel & evil\.\u2060example zurückzusetzen$/);
    assert.match(mail.html, /<html lang="de">[\s\S]*Äpfel &amp; evil\.\u2060example/);
    for (const text of [mail.subject, mail.html, mail.text]) assert.doesNotMatch(text, /Gatehouse|evil\.example/);
  });

  it('are in the language of the page where the person’s is unknown or has no texts', async () => {
    for (const [email, locale] of [
      ['grace@reads.example', undefined],
      ['murasaki@reads.example', 'ja-JP'],
    ] as const)
      assert.match((await mailTo(email, locale, ...ofTenant())).subject, /est votre code pour réinitialiser/, email);
  });

  it('name the installation where an application of its own has them sent', async () => {
    const client = await app.api('POST', '/api/clients', { client_name: 'Ours', redirect_uris: ['https://ours.example/cb'] });
    const mail = await mailTo('joan@reads.example', 'en', String(client.body['client_id']), 'https://ours.example/cb');
    assert.match(mail.subject, /Gatehouse/);
    assert.doesNotMatch(mail.html + mail.text, /Äpfel/);
  });
});
