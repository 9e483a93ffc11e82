import assert from 'node:assert/strict';
import { decodeJwt } from 'jose';
import { CB } from '#test/support/oidc.ts';
import { PASSWORD, startUpstreamSite, type UpstreamSite } from '#test/support/upstream-site.ts';
import { alice } from './people.ts';

describe('what is taken over of a provider’s claims', function () {
  this.timeout(60_000);
  let site: UpstreamSite;
  let number = 8000;
  const read = async (id: string) =>
    (
      await site.app.owner.query(
        'select given_name, family_name, locale, email, email_verified_at is not null as verified, version from users where id = $1',
        [id],
      )
    ).rows[0];
  const comes = async (someone: object = {}, key = 'fresh') => site.subjectOf(await site.signIn(site.app.browser(), key, someone as never));
  /** With these claims beside the usual ones. */
  const says = (more: Record<string, unknown>) => comes({ more } as never);

  before(async () => {
    site = await startUpstreamSite();
    await site.connect('oidc', { key: 'fresh', name: 'Fresh', options: { refreshProfile: true, claims: { nick: 'familyName' } } });
    await site.connect('oidc', { key: 'once', name: 'Once' });
  });
  beforeEach(() => Object.assign(site.fake, { hostile: {}, someone: alice(++number) }));
  after(() => site?.close());

  it('names and language at every sign-in where the connection says so, each change recorded once, and at the first alone elsewhere', async () => {
    const { sub } = await comes({ more: { locale: 'de' } } as never);
    assert.deepEqual([(await read(sub)).given_name, (await read(sub)).locale], ['Alice', 'de']);
    const changes = async (): Promise<number> => (await site.events('user.changed')).filter(({ target_id }) => target_id === sub).length;
    await comes({ givenName: 'Alicia', more: { locale: 'fr' } } as never);
    assert.deepEqual([(await read(sub)).given_name, (await read(sub)).locale, await changes()], ['Alicia', 'fr', 1]);
    await comes();
    assert.equal(await changes(), 1, 'nothing was another');
    site.fake.someone = alice(++number);
    const once = await comes({}, 'once');
    await comes({ givenName: 'Another' }, 'once');
    assert.equal((await read(once.sub)).given_name, 'Alice');
  });

  it('never the address: one that is verified upstream is another’s or the person’s own to prove, and no account moves by it', async () => {
    const { sub } = await comes();
    const before = await read(sub);
    const taken = `taken-${number}@upstream.test`;
    const owner = await site.addPerson({ email: taken, emailVerified: true, password: PASSWORD });
    for (const email of [`moved-${number}@upstream.test`, taken]) {
      const again = await comes({ email, emailVerified: true });
      assert.equal(again.sub, sub, 'known by connection and subject alone');
      const { email: address, verified } = await read(sub);
      assert.deepEqual([address, verified], [before.email, true]);
    }
    assert.equal((await read(owner)).email, taken);
    assert.deepEqual((await site.app.owner.query('select subject from identities where user_id = $1', [owner])).rows, []);
    site.fake.someone = alice(++number, { email: String(before.email) });
    const stranger = await site.signIn(site.app.browser(), 'fresh');
    assert.equal(stranger.location, undefined, 'the address that was left behind opens nothing');
    assert.equal((await site.events('login.refused'))[0]?.reason, 'identity.link_required');
  });

  it('nothing that is no text, too long, or made to deceive; the sign-in is good all the same', async () => {
    const { sub } = await comes({ more: { locale: 'de' } } as never);
    const before = await read(sub);
    for (const hostile of [
      { toString: 'x', length: 3 },
      ['Mallory'],
      42,
      true,
      null,
      '',
      '   ',
      'x'.repeat(101),
      'Mal\u0000lory',
      'Mal\r\nBcc: x@evil.test',
      'Mal\u202eyrol',
      '\u2066Mallory',
      'Mal\u200flory',
      'Mal\ud800lory',
      '<script>alert(1)</script>',
      'see HTTPS://evil.test',
    ]) {
      const again = await says({ given_name: hostile, family_name: hostile, nick: hostile, locale: hostile });
      assert.equal(again.sub, sub);
      assert.deepEqual(await read(sub), before, JSON.stringify(hostile)?.slice(0, 60));
    }
    // Together they would be more than is read of any answer.
    for (const name of ['given_name', 'family_name', 'nick', 'locale', 'picture']) {
      assert.equal((await says({ [name]: 'x'.repeat(100_000) })).sub, sub);
      assert.deepEqual(await read(sub), before, name);
    }
    for (const locale of ['../../etc/passwd', 'en\u0000', '-', 'x'.repeat(50), 'en;drop table users']) {
      await says({ locale });
      assert.equal((await read(sub)).locale, 'de', locale);
    }
  });

  it('no address that is no text, or only called verified', async () => {
    for (const email of [
      { a: 'b@upstream.test' },
      ['x@upstream.test'],
      7,
      `${'x'.repeat(100_000)}@upstream.test`,
      'a@b@upstream.test',
      'x\u0000@upstream.test',
      'x@upstream.test\r\nBcc: y@evil.test',
    ]) {
      site.fake.someone = alice(++number);
      const { sub } = await says({ email, email_verified: true });
      assert.deepEqual([(await read(sub)).email, (await read(sub)).verified], [null, false], JSON.stringify(email).slice(0, 60));
    }
    for (const verified of ['true', 1, [true], { valueOf: true }, null]) {
      site.fake.someone = alice(++number);
      const { sub } = await says({ email_verified: verified });
      assert.equal((await read(sub)).email, null, JSON.stringify(verified));
    }
  });

  it('no right, role, tenant, strength or subject, whatever the provider calls them', async () => {
    const claims = {
      roles: ['owner', 'administrator'],
      role: 'owner',
      groups: ['administrators'],
      permissions: ['users.write'],
      scope: 'openid users.write tenants.write',
      is_admin: true,
      admin: true,
      platform: true,
      tenant_id: site.app.rootTenantId,
      home_tenant_id: site.app.rootTenantId,
      acr: 'urn:gatehouse:acr:phr',
      amr: ['hwk', 'mfa'],
      user_id: '01890000-0000-7000-8000-000000000000',
      username: 'administrator',
      phone_number: '+4915112345678',
      phone_number_verified: true,
    };
    Object.defineProperty(claims, '__proto__', { value: { active: true, roles: ['owner'] }, enumerable: true });
    site.fake.someone = { ...site.fake.someone, more: claims };
    const { authorization } = await import('#test/support/oidc.ts');
    const browser = site.app.browser();
    const asked = authorization(site.client.id, {
      scope: 'openid roles groups tenant account users.read users.write',
      resource: `${site.app.issuer}/api`,
      connection: 'fresh',
    });
    const { location } = await browser.go(asked.path);
    const done = await site.comeBack(browser, await site.fake.authorize(location!));
    const answer = await site.app.token(
      {
        grant_type: 'authorization_code',
        code: done.location?.searchParams.get('code') ?? '',
        code_verifier: asked.verifier,
        redirect_uri: CB,
      },
      site.client,
    );
    assert.equal(answer.status, 200, answer.text);
    const [access, id] = [decodeJwt(String(answer.body['access_token'])), decodeJwt(String(answer.body['id_token']))];
    assert.doesNotMatch(String(access['scope']), /users\./);
    for (const token of [access, id]) {
      assert.doesNotMatch(JSON.stringify([token['roles'] ?? [], token['groups'] ?? [], token['permissions'] ?? []]), /owner|admin|users\./);
      assert.ok(token['acr'] === undefined || token['acr'] === 'urn:gatehouse:acr:1fa', String(token['acr']));
    }
    const as = { authorization: `Bearer ${answer.body['access_token']}` };
    assert.equal((await site.app.api('GET', '/api/users', undefined, as)).status, 403);
    const { rows } = await site.app.owner.query('select username, phone from users where id = $1', [String(id.sub)]);
    assert.deepEqual([rows[0].username ?? null, rows[0].phone], [null, null]);
    assert.notEqual(id.sub, claims.user_id);
    for (const ours of ['roles', 'email', 'tenantId', 'emailVerified', 'status', '__proto__']) {
      const made = await site.app.api('POST', '/api/connections', {
        kind: 'google',
        name: 'Mapping',
        clientId: 'x',
        clientSecret: 'y',
        options: { claims: { role: ours } },
      });
      assert.equal(made.status, 422, `${ours}: ${made.text}`);
    }
  });
});
