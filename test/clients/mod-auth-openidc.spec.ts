import assert from 'node:assert/strict';
import { type Apache, apacheRedirectUri, freePort, needApache, startApache } from '#test/support/apache.ts';
import { Browser } from '#test/support/browser.ts';
import { type Gatehouse, startGatehouse } from '#test/support/gatehouse.ts';
import { visit } from '#test/support/person.ts';

const ADA = { login: 'ada@example.com', password: 'plum Tractor 9 violin' };

describe('mod_auth_openidc', function () {
  this.timeout(60_000);
  let gatehouse: Gatehouse;
  let apache: Apache;
  let sub: string;

  before(async function () {
    needApache(this);
    gatehouse = await startGatehouse();
    sub = await gatehouse.createUser({
      email: ADA.login,
      emailVerified: true,
      password: ADA.password,
      givenName: 'Ada',
      familyName: 'Lovelace',
    });
    const port = await freePort();
    const { client_id, client_secret = '' } = await gatehouse.createClient({
      client_name: 'Apache',
      redirect_uris: [apacheRedirectUri(port)],
      post_logout_redirect_uris: [`http://localhost:${port}/`],
    });
    apache = await startApache({ port, issuer: gatehouse.issuer, clientId: client_id, clientSecret: client_secret });
  });
  after(async () => {
    await apache?.stop();
    await gatehouse?.close();
  });

  /** Asks Apache for its protected page, and goes wherever that leads. */
  async function ask(site: Browser, provider: Browser): Promise<{ text: string; asked: string[] }> {
    const first = await site.go(`${apache.url}/protected/`);
    if (first.page) return { text: first.page.text, asked: [] };
    const { location, page, asked } = await visit(provider, first.location!.href, ADA);
    assert.ok(location, page?.text);
    assert.equal(location.origin, apache.url);
    const back = await site.go(location.href);
    assert.equal(back.page?.status, 200, `${back.page?.text}\n${await apache.log()}`);
    return { text: back.page.text, asked };
  }

  it('protects a page: a person signs in here, and Apache shows who they are', async () => {
    const [site, provider] = [new Browser(apache.url), new Browser(gatehouse.issuer)];
    const { text, asked } = await ask(site, provider);
    assert.deepEqual(asked, ['login', 'consent']);
    assert.equal(text, `sub=${sub}\nemail=${ADA.login}\nname=Ada Lovelace\niss=${gatehouse.issuer}\nacr=urn:gatehouse:acr:1fa\n`);
    assert.deepEqual((await ask(site, provider)).asked, [], 'its own session is enough from then on');
    assert.deepEqual((await ask(new Browser(apache.url), provider)).asked, [], 'and without one, the session here is');
  });

  it('signs out here too: the next visit asks for the password again', async () => {
    const [site, provider] = [new Browser(apache.url), new Browser(gatehouse.issuer)];
    await ask(site, provider);
    const out = await site.go(`${apacheRedirectUri(Number(new URL(apache.url).port))}?logout=${encodeURIComponent(`${apache.url}/`)}`);
    assert.ok(out.location, out.page?.text);
    assert.equal(out.location.origin, gatehouse.issuer);
    const { location, page } = await visit(provider, out.location.href);
    assert.equal(location?.href, `${apache.url}/`, page?.text);
    assert.deepEqual((await ask(site, provider)).asked, ['login']);
  });
});
