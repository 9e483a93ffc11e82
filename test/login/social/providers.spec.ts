import assert from 'node:assert/strict';
import { systemClock } from '#src/core/clock.ts';
import { createOutboundFetch } from '#src/infra/outbound-http.ts';
import { UpstreamRefused } from '#src/login/social/provider.ts';
import { createUpstreams } from '#src/login/social/upstreams.ts';
import { connectionOf, describeProvider, type ProviderUnderTest, refusedFor, walk } from '#test/contract/social-provider.ts';
import { type FakeUpstream, startUpstream } from '#test/support/upstream.ts';

const ADA = { sub: 'sub-1', email: 'ada@upstream.test', emailVerified: true, givenName: 'Ada', familyName: 'Byron' };
const SEEN = { subject: 'sub-1', email: ADA.email, emailVerified: true, givenName: 'Ada' };

/** B9 and E13: each is refused whatever else is right. */
const ID_TOKENS: ProviderUnderTest['hostile'] = {
  'B9 a token without the nonce': { how: { nonce: 'missing' }, reason: 'id_token.nonce' },
  'a token with another nonce': { how: { nonce: 'other' }, reason: 'id_token.nonce' },
  'a token of another issuer': { how: { iss: 'https://evil.test' }, reason: 'id_token.iss' },
  'a token for another client': { how: { aud: 'another-app' }, reason: 'id_token.aud' },
  'a token that has expired': { how: { expired: true }, reason: 'id_token.exp' },
  'E13 a token with alg none': { how: { alg: 'none' }, reason: /^id_token\.(alg|malformed)$/ },
};
const PUBLISHED_KEYS: ProviderUnderTest['hostile'] = {
  ...ID_TOKENS,
  'E13 a token signed with the public key as a secret': { how: { alg: 'hs256-public-key' }, reason: 'id_token.alg' },
  'a token of a key that is not published': { how: { unknownKey: true }, reason: /^id_token\.(key|signature)$/ },
};

describeProvider({
  kind: 'oidc',
  someone: ADA,
  expected: SEEN,
  page: 'fake',
  pkce: true,
  hostile: {
    ...PUBLISHED_KEYS,
    'B10 an answer that names another issuer': { how: { responseIss: 'https://evil.test' }, reason: 'response.iss' },
  },
  brings: ['idToken'],
  verified: [true],
  unverified: ['true'],
});
describeProvider({
  kind: 'google',
  someone: ADA,
  expected: SEEN,
  page: 'accounts.google.com',
  pkce: true,
  hostile: PUBLISHED_KEYS,
  brings: ['accessToken', 'idToken'],
  verified: [true],
  unverified: ['true'],
});
describeProvider({
  kind: 'microsoft',
  someone: { ...ADA, more: { xms_edov: true } },
  expected: SEEN,
  page: 'login.microsoftonline.com',
  pkce: true,
  hostile: {
    ...PUBLISHED_KEYS,
    'the template of the issuer, not filled in': {
      how: { iss: 'https://login.microsoftonline.com/{tenantid}/v2.0' },
      reason: 'id_token.iss',
    },
  },
  brings: ['idToken'],
  verified: [true],
  unverified: ['true'],
});
describeProvider({
  kind: 'apple',
  someone: ADA,
  expected: SEEN,
  page: 'appleid.apple.com',
  pkce: false,
  formPost: true,
  hostile: PUBLISHED_KEYS,
  brings: ['idToken'],
  verified: [true, 'true'],
  unverified: ['false'],
});
describeProvider({
  kind: 'line',
  someone: ADA,
  expected: { ...SEEN, emailVerified: false },
  page: 'access.line.me',
  pkce: true,
  hostile: {
    ...ID_TOKENS,
    'E13 a token signed with another secret': { how: { alg: 'hs256-public-key' }, reason: 'id_token.signature' },
  },
  brings: ['accessToken', 'idToken'],
  verified: [],
  unverified: [true, 'true'],
});
describeProvider({
  kind: 'github',
  someone: { ...ADA, sub: '42' },
  expected: { ...SEEN, subject: '42' },
  page: 'github.com',
  pkce: true,
  hostile: {},
  brings: ['accessToken'],
  verified: [true],
  unverified: ['true'],
});
describeProvider({
  kind: 'facebook',
  someone: ADA,
  expected: { ...SEEN, emailVerified: false },
  page: 'www.facebook.com',
  pkce: false,
  hostile: { 'somebody else than the token is of': { how: { userinfoSub: 'sub-2' }, reason: 'userinfo.sub' } },
  brings: ['accessToken'],
  verified: [],
  unverified: [true, 'true'],
});

describe('upstreams', () => {
  let fake: FakeUpstream;
  before(async () => {
    fake = await startUpstream();
  });
  beforeEach(() => Object.assign(fake, { someone: { ...ADA }, hostile: {} }));
  after(() => fake.close());

  it('go on when the provider exchanges its keys, and look no more than once for a key that nobody has', async () => {
    const upstreams = createUpstreams({ fetch: fake.fetch, clock: systemClock });
    const connection = await connectionOf('oidc', fake);
    await (await walk(upstreams, connection, fake)).person();
    await new Promise((resolve) => setTimeout(resolve, 2100));
    await fake.rotateKeys();
    assert.equal((await (await walk(upstreams, connection, fake)).person()).subject, ADA.sub);
    const before = fake.seen.filter((one) => one.endsWith('/keys')).length;
    fake.hostile = { unknownKey: true };
    for (let tries = 0; tries < 5; tries += 1)
      await assert.rejects((await walk(upstreams, connection, fake)).person(), refusedFor('id_token.key'));
    assert.ok(fake.seen.filter((one) => one.endsWith('/keys')).length - before <= 1);
  });

  it('send PKCE also to a provider that does not announce it', async () => {
    fake.hostile = { noPkce: true };
    const upstreams = createUpstreams({ fetch: fake.fetch, clock: systemClock });
    const connection = await connectionOf('oidc', fake);
    const url = await upstreams.begin(connection, { redirectUri: 'https://op.test/cb', state: 's', nonce: 'n', verifier: 'v'.repeat(43) });
    assert.equal(url.searchParams.get('code_challenge_method'), 'S256');
    assert.match(url.searchParams.get('code_challenge') ?? '', /^[\w-]{43}$/);
    assert.equal((await (await walk(upstreams, connection, fake)).person()).subject, ADA.sub);
  });

  it('ask userinfo for what the ID token leaves out, and refuse where it speaks of somebody else', async () => {
    const upstreams = createUpstreams({ fetch: fake.fetch, clock: systemClock });
    const connection = await connectionOf('oidc', fake);
    const bare = { sub: 'sub-1', more: { email: undefined } };
    fake.someone = { ...bare };
    const { person } = await walk(upstreams, connection, fake);
    const found = await person();
    assert.deepEqual([found.subject, found.email, found.emailVerified], ['sub-1', undefined, false]);
    fake.hostile = { userinfoSub: 'sub-2' };
    await assert.rejects((await walk(upstreams, connection, fake)).person(), refusedFor('userinfo.sub'));
  });

  it('F6 reach no private address, whatever a connection or its discovery document names', async () => {
    const upstreams = createUpstreams({ fetch: createOutboundFetch(), clock: systemClock });
    for (const issuer of [
      'https://localhost',
      `https://${fake.host}`,
      'https://127.0.0.1',
      'https://[::1]',
      'https://169.254.169.254',
      fake.issuer,
    ]) {
      const connection = await connectionOf('oidc', fake, { issuer });
      const seen = fake.seen.length;
      await assert.rejects(
        upstreams.begin(connection, { redirectUri: 'https://op.test/cb', state: 's', nonce: 'n', verifier: 'v' }),
        UpstreamRefused,
      );
      assert.equal(fake.seen.length, seen, issuer);
    }
  });

  it('judge a logout token by its issuer, audience, event and age, and take no ID token for one', async () => {
    const upstreams = createUpstreams({ fetch: fake.fetch, clock: systemClock });
    const connection = await connectionOf('oidc', fake);
    const good = await upstreams.judgeLogout(connection, await fake.logoutToken({ sub: 'sub-1', sid: 'sid-1' }));
    assert.deepEqual([good.subject, good.sid], ['sub-1', 'sid-1']);
    const refused: [Promise<string>, string | RegExp][] = [
      [fake.idToken('oidc'), /jti|events/],
      [fake.logoutToken({ sub: 'sub-1', nonce: 'n' }), 'logout_token.nonce'],
      [fake.logoutToken({ sub: 'sub-1', events: {} }), 'logout_token.events'],
      [fake.logoutToken({ sub: 'sub-1', aud: 'another' }), 'id_token.aud'],
      [fake.logoutToken({}), 'logout_token.sub'],
      [fake.logoutToken({ sub: null } as never), 'logout_token.sub'],
      [fake.logoutToken({ sub: null, sid: 'sid-1' } as never), 'logout_token.sub'],
      [fake.logoutToken({ sub: '' }), 'logout_token.sub'],
      [fake.logoutToken({ sid: '' }), 'logout_token.sub'],
    ];
    for (const [token, reason] of refused) await assert.rejects(upstreams.judgeLogout(connection, await token), refusedFor(reason));
    fake.hostile = { iss: 'https://evil.test' };
    await assert.rejects(upstreams.judgeLogout(connection, await fake.logoutToken({ sub: 'sub-1' })), refusedFor('id_token.iss'));
    await assert.rejects(upstreams.judgeLogout(await connectionOf('github', fake), 'x'), refusedFor('logout.unsupported'));
  });
});
