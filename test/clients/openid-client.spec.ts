/** openid-client, unmodified, against the whole server: what it checks by itself is the larger part of these tests. */
import assert from 'node:assert/strict';
import { exportJWK, generateKeyPair } from 'jose';
import * as client from 'openid-client';
import { Browser } from '#test/support/browser.ts';
import { type Gatehouse, startGatehouse } from '#test/support/gatehouse.ts';
import { visit } from '#test/support/person.ts';

const CALLBACK = 'https://app.example/callback';
const HOME = 'https://app.example/signed-out';
const ADA = { login: 'ada@example.com', password: 'plum Tractor 9 violin' };

describe('openid-client', function () {
  this.timeout(60_000);
  let gatehouse: Gatehouse;
  let sub: string;

  before(async () => {
    gatehouse = await startGatehouse();
    sub = await gatehouse.createUser({
      email: ADA.login,
      emailVerified: true,
      password: ADA.password,
      givenName: 'Ada',
      familyName: 'Lovelace',
    });
    await gatehouse.createResource({
      identifier: 'https://notes.example/',
      name: 'Notes',
      scopes: [{ name: 'notes.read' }],
      signingAlg: 'ES256',
    });
  });
  after(() => gatehouse?.close());

  async function configured(
    metadata: Record<string, unknown> = {},
    authenticate?: (secret: string) => client.ClientAuth,
    own?: Partial<client.ClientMetadata>,
  ) {
    const { client_id, client_secret = '' } = await gatehouse.createClient({
      client_name: 'Real client',
      redirect_uris: [CALLBACK],
      post_logout_redirect_uris: [HOME],
      grant_types: ['authorization_code', 'refresh_token'],
      ...metadata,
    });
    const config = await client.discovery(
      new URL(gatehouse.issuer),
      client_id,
      own,
      (authenticate ?? client.ClientSecretBasic)(client_secret),
      { execute: [client.allowInsecureRequests, client.enableNonRepudiationChecks] },
    );
    return config;
  }

  /** Signs in through the pages; answers the callback and what has to be checked against it. */
  async function signIn(
    config: client.Configuration,
    parameters: Record<string, string> = {},
    dpop?: client.DPoPHandle,
    browser = new Browser(gatehouse.issuer),
  ) {
    const checks = {
      pkceCodeVerifier: client.randomPKCECodeVerifier(),
      expectedState: client.randomState(),
      expectedNonce: client.randomNonce(),
    };
    const url = await client.buildAuthorizationUrlWithPAR(
      config,
      {
        redirect_uri: CALLBACK,
        scope: 'openid profile email',
        code_challenge: await client.calculatePKCECodeChallenge(checks.pkceCodeVerifier),
        code_challenge_method: 'S256',
        state: checks.expectedState,
        nonce: checks.expectedNonce,
        ...parameters,
      },
      dpop ? { DPoP: dpop } : undefined,
    );
    const { location, page, asked } = await visit(browser, url.href, ADA);
    assert.ok(location, `no answer came back, but ${page?.status} ${page?.url}\n${page?.text}`);
    return { location, checks, asked, browser };
  }

  it('signs in by discovery, a pushed request, PKCE, state, nonce and iss, and reads userinfo', async () => {
    const config = await configured();
    const { location, checks, asked } = await signIn(config);
    assert.deepEqual(asked, ['login', 'consent']);
    const tokens = await client.authorizationCodeGrant(config, location, { ...checks, idTokenExpected: true });
    const claims = tokens.claims()!;
    assert.equal(claims.sub, sub);
    assert.equal(claims['acr'], 'urn:gatehouse:acr:1fa');
    assert.deepEqual(claims['amr'], ['pwd']);
    assert.ok(claims['sid'] && claims.auth_time);
    const userinfo = await client.fetchUserInfo(config, tokens.access_token, claims.sub);
    assert.deepEqual([userinfo.email, userinfo.email_verified, userinfo.name], [ADA.login, true, 'Ada Lovelace']);
    assert.equal(tokens.token_type, 'bearer');
  });

  it('binds tokens to its key with DPoP, from the pushed request to userinfo and refresh', async () => {
    const config = await configured({ dpop_bound_access_tokens: true });
    const dpop = client.getDPoPHandle(config, await client.randomDPoPKeyPair('ES256'));
    const { location, checks } = await signIn(config, {}, dpop);
    const tokens = await client.authorizationCodeGrant(config, location, checks, undefined, { DPoP: dpop });
    assert.equal(tokens.token_type, 'dpop');
    assert.equal((await client.fetchUserInfo(config, tokens.access_token, sub, { DPoP: dpop })).sub, sub);
    const other = client.getDPoPHandle(config, await client.randomDPoPKeyPair('ES256'));
    await assert.rejects(client.fetchUserInfo(config, tokens.access_token, sub, { DPoP: other }));
    const renewed = await client.refreshTokenGrant(config, tokens.refresh_token!, undefined, { DPoP: dpop });
    assert.equal((await client.fetchUserInfo(config, renewed.access_token, sub, { DPoP: dpop })).sub, sub);
  });

  it('renews with rotation, sees tokens active by introspection, and inactive after it has revoked', async () => {
    const config = await configured();
    const { location, checks } = await signIn(config);
    const tokens = await client.authorizationCodeGrant(config, location, checks);
    const renewed = await client.refreshTokenGrant(config, tokens.refresh_token!);
    assert.notEqual(renewed.refresh_token, tokens.refresh_token);
    assert.equal(renewed.claims()?.sub, sub);
    const seen = await client.tokenIntrospection(config, renewed.access_token);
    assert.deepEqual([seen.active, seen.sub, seen.iss], [true, sub, gatehouse.issuer]);
    await client.tokenRevocation(config, renewed.refresh_token!);
    for (const token of [renewed.access_token, renewed.refresh_token!])
      assert.deepEqual(await client.tokenIntrospection(config, token), { active: false });
    await assert.rejects(
      client.refreshTokenGrant(config, renewed.refresh_token!),
      (error: unknown) => error instanceof client.ResponseBodyError && error.error === 'invalid_grant',
    );
  });

  it('gets a token of its own for an API with client_credentials, and with private_key_jwt', async () => {
    const { privateKey, publicKey } = await generateKeyPair('ES256');
    const config = await configured(
      {
        grant_types: ['client_credentials'],
        response_types: [],
        redirect_uris: [],
        post_logout_redirect_uris: [],
        token_endpoint_auth_method: 'private_key_jwt',
        token_endpoint_auth_signing_alg: 'ES256',
        jwks: { keys: [{ ...(await exportJWK(publicKey)), kid: 'one', alg: 'ES256', use: 'sig' }] },
      },
      () => client.PrivateKeyJwt({ key: privateKey, kid: 'one' }),
    );
    const tokens = await client.clientCredentialsGrant(config, { resource: 'https://notes.example/', scope: 'notes.read' });
    const [header, payload] = tokens.access_token.split('.').map((part) =>
      JSON.parse(
        Buffer.from(part, 'base64url')
          .toString('utf8')
          .replace(/^[^{].*/s, '{}'),
      ),
    );
    assert.deepEqual([header.typ, header.alg], ['at+jwt', 'ES256']);
    assert.deepEqual([payload.aud, payload.scope, payload.iss], ['https://notes.example/', 'notes.read', gatehouse.issuer]);
    assert.equal(tokens.refresh_token, undefined);
  });

  it('works by the FAPI 2.0 security profile: a signed assertion, a pushed request, DPoP, and ID tokens by ES256', async () => {
    const { privateKey, publicKey } = await generateKeyPair('ES256');
    const config = await configured(
      {
        profile: 'fapi2',
        token_endpoint_auth_method: 'private_key_jwt',
        token_endpoint_auth_signing_alg: 'ES256',
        id_token_signed_response_alg: 'ES256',
        jwks: { keys: [{ ...(await exportJWK(publicKey)), kid: 'one', alg: 'ES256', use: 'sig' }] },
      },
      () => client.PrivateKeyJwt({ key: privateKey, kid: 'one' }),
      { id_token_signed_response_alg: 'ES256' },
    );
    const dpop = client.getDPoPHandle(config, await client.randomDPoPKeyPair('ES256'));
    const { location, checks } = await signIn(config, {}, dpop);
    const tokens = await client.authorizationCodeGrant(config, location, checks, undefined, { DPoP: dpop });
    assert.equal(JSON.parse(Buffer.from(tokens.id_token!.split('.')[0]!, 'base64url').toString('utf8')).alg, 'ES256');
    assert.equal((await client.fetchUserInfo(config, tokens.access_token, sub, { DPoP: dpop })).sub, sub);
    const renewed = await client.refreshTokenGrant(config, tokens.refresh_token!, undefined, { DPoP: dpop });
    assert.equal(renewed.refresh_token ?? tokens.refresh_token, tokens.refresh_token, 'bound to a key, it need not rotate');
    const plain = client.buildAuthorizationUrl(config, {
      redirect_uri: CALLBACK,
      scope: 'openid',
      code_challenge: await client.calculatePKCECodeChallenge(client.randomPKCECodeVerifier()),
      code_challenge_method: 'S256',
    });
    const refused = await visit(new Browser(gatehouse.issuer), plain.href, ADA);
    assert.ok(refused.location?.searchParams.get('error') ?? refused.page?.status === 400, 'a request that was not pushed');
    assert.deepEqual(refused.asked, []);
  });

  it('signs out by RP-initiated logout: the browser comes back with state, and the session and its tokens have ended', async () => {
    const config = await configured();
    const { location, checks, browser } = await signIn(config);
    const tokens = await client.authorizationCodeGrant(config, location, checks);
    const again = await signIn(config, { prompt: 'none' }, undefined, browser);
    assert.deepEqual(again.asked, []);
    assert.ok(again.location.searchParams.get('code'));
    const url = client.buildEndSessionUrl(config, { id_token_hint: tokens.id_token!, post_logout_redirect_uri: HOME, state: 'back' });
    const { location: out, page } = await visit(browser, url.href);
    assert.equal(out?.href, `${HOME}?state=back`, page?.text);
    assert.deepEqual(await client.tokenIntrospection(config, tokens.access_token), { active: false });
    await assert.rejects(client.refreshTokenGrant(config, tokens.refresh_token!));
    const silent = await signIn(config, { prompt: 'none' }, undefined, browser);
    assert.equal(silent.location.searchParams.get('error'), 'login_required');
  });

  it('is told that nobody is signed in where it asks that no page be shown', async () => {
    const config = await configured();
    const { location, checks } = await signIn(config, { prompt: 'none' });
    await assert.rejects(
      client.authorizationCodeGrant(config, location, checks),
      (error: unknown) => error instanceof client.AuthorizationResponseError && error.error === 'login_required',
    );
  });
});
