/** What providers say of people, and what people may say to providers: group B, by its numbers. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { startUpstreamSite, type UpstreamSite } from '#test/support/upstream-site.ts';
import { codeOf, itemsOf } from './scene.ts';

describe('attacks by what a provider says', function () {
  this.timeout(120_000);
  let site: UpstreamSite;
  before(async () => {
    site = await startUpstreamSite();
    for (const kind of ['oidc', 'google']) await site.connect(kind);
  });
  after(() => site?.close());

  const byHand = { givenName: 'Ada', familyName: 'Hunter' };
  /** Who somebody is taken for who comes by `oidc`; undefined where they are refused. */
  async function takenFor(sub: string, email?: string): Promise<string | undefined> {
    site.fake.someone = { ...byHand, sub, ...(email === undefined ? {} : { email, emailVerified: true }) };
    const landing = await site.signIn(site.app.browser(), 'oidc');
    assert.ok((landing.page?.status ?? 200) < 500, landing.page?.text);
    return landing.location?.searchParams.has('code') ? (await site.subjectOf(landing)).sub : undefined;
  }

  it('B14: a subject is taken whole: what is cut off, folded or commented out of it makes nobody else of it', async () => {
    const sub = `Victim-${randomUUID()}`;
    const victim = await takenFor(sub);
    assert.ok(victim);
    const odd = [
      `${sub}\0`,
      `${sub}\0evil`,
      `${sub} `,
      ` ${sub}`,
      `${sub}\r\n`,
      `${sub}<!-- -->`,
      sub.replace('V', 'V<!---->'),
      sub.toLowerCase(),
      sub.toUpperCase(),
      sub.replace('V', '\uff36'),
      `${sub}\u200b`,
      `${sub}%00`,
      `${sub}${'x'.repeat(300)}`,
      '',
    ];
    for (const one of odd) assert.notEqual(await takenFor(one), victim, JSON.stringify(one.slice(0, 80)));
    assert.equal(await takenFor(sub), victim);
    const { rows } = await site.app.owner.query('select subject from identities where user_id = $1', [victim]);
    assert.deepEqual(rows, [{ subject: sub }]);
  });

  it('B14: an address is taken whole, too: nothing that reads like somebody’s leads to them', async () => {
    const email = `victim-${randomUUID()}@example.test`;
    const victim = await site.addPerson({ email, emailVerified: true });
    const [name, domain] = email.split('@') as [string, string];
    for (const one of [
      `${email}\0`,
      `${email}\0@evil.test`,
      `${email} `,
      `${email}<!-- -->.evil.test`,
      `${name}<!-- -->@${domain}`,
      `"${name}"@${domain}`,
      `${email},evil@evil.test`,
      `evil@evil.test ${email}`,
      `${name}@\uff45xample.test`,
      `${email}\r\nbcc: evil@evil.test`,
    ])
      assert.notEqual(await takenFor(randomUUID(), one), victim, JSON.stringify(one));
    const { rowCount } = await site.app.owner.query('select 1 from identities where user_id = $1', [victim]);
    assert.equal(rowCount, 0);
  });

  it('B5: nobody links or lists identities of somebody else, not by the management of people either', async () => {
    const { paths } = (await site.app.api('GET', '/openapi.json')).body as { paths: Record<string, object> };
    const routes = Object.keys(paths).filter((path) => /identit/i.test(path));
    assert.ok(routes.length >= 2 && routes.every((path) => path.startsWith('/api/me/')), routes.join());
    site.fake.someone = { ...byHand, sub: randomUUID() };
    const body = { provider: 'google', id_token: await site.fake.idToken('google') };
    assert.equal((await site.app.api('POST', '/api/me/identities', body)).status, 403, 'a client is nobody');
    assert.equal(codeOf(await site.app.api('POST', '/api/me/identities', body, { authorization: '' })), '401 token.missing');
    const { rowCount } = await site.app.owner.query('select 1 from identities where subject = $1', [site.fake.someone.sub]);
    assert.equal(rowCount, 0);
  });

  it('B7: a connection takes no name of another in its tenant, and its subjects are of no other connection', async () => {
    const again = await site.app.api('POST', '/api/connections', {
      kind: 'oidc',
      key: 'google',
      name: 'Google',
      clientId: 'x',
      clientSecret: 'x',
      issuer: site.fake.issuer,
    });
    assert.equal(again.status, 409, again.text);
    const sub = randomUUID();
    const first = await takenFor(sub);
    site.fake.someone = { ...byHand, sub };
    const other = await site.subjectOf(await site.signIn(site.app.browser(), 'google'));
    assert.ok(first && other.sub !== first);
    assert.ok(itemsOf(await site.app.api('GET', '/api/connections')).length >= 2);
  });
});
