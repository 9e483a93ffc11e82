/** Who asks the API of sessions: tokens that are forged, foreign, bound or spent. */
import assert from 'node:assert/strict';
import { createHash, createHmac, createPublicKey } from 'node:crypto';
import { decodeJwt, decodeProtectedHeader, SignJWT } from 'jose';
import { API, authorize, basic, dpopKey } from '#test/support/oidc.ts';
import type { ApiReply } from '#test/support/session-api.ts';
import { type SessionScene, startSessionScene } from '../support/session-scene.ts';

describe('sessions at our API', function () {
  this.timeout(40_000);
  let api: SessionScene['api'];
  let manager: SessionScene['manager'];
  let signIn: SessionScene['signIn'];
  let close: SessionScene['close'] | undefined;

  before(async () => {
    ({ api, manager, signIn, close } = await startSessionScene());
  });
  after(() => close?.());

  describe('the caller', () => {
    const current = (token: string, headers: Record<string, string> = {}): Promise<ApiReply> =>
      api.call('GET /api/sessions/current', { headers: { authorization: `Bearer ${token}`, ...headers } });

    it('is not known by forged, foreign or confused tokens', async () => {
      const { access, form, refresh } = await signIn();
      const [head, payload, signature] = access.split('.') as [string, string, string];
      const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
      const jwk = ((await (await fetch(`${api.issuer.url}/jwks`)).json()) as { keys: { kid: string }[] }).keys.find(
        ({ kid }) => kid === decodeProtectedHeader(access).kid,
      );
      const pem = createPublicKey({ key: jwk as never, format: 'jwk' }).export({ type: 'spki', format: 'pem' });
      const hmac = (input: string): string => createHmac('sha256', pem).update(input).digest('base64url');
      const hs = `${encode({ alg: 'HS256', typ: 'at+jwt', kid: decodeProtectedHeader(access).kid })}.${payload}`;
      const foreignAudience = (await signIn({ resource: API, scope: 'openid api:read' })).access;
      const opaque = (await signIn({ resource: '', scope: 'openid' })).access;
      const idToken = String((await api.issuer.token({ grant_type: 'refresh_token', refresh_token: refresh }, basic('web'))).body.id_token);
      const forged: Record<string, string> = {
        'no algorithm': `${encode({ alg: 'none', typ: 'at+jwt' })}.${payload}.`,
        None: `${encode({ alg: 'None', typ: 'at+jwt' })}.${payload}.${signature}`,
        'the public key as a secret': `${hs}.${hmac(hs)}`,
        'another payload': `${head}.${encode({ ...decodeJwt(access), scope: 'users.write account' })}.${signature}`,
        'a key of its own': await new SignJWT({ ...decodeJwt(access) })
          .setProtectedHeader({ alg: 'HS256', typ: 'at+jwt', kid: '../../dev/null' })
          .sign(new Uint8Array(32)),
        'a token for another API': foreignAudience,
        'an opaque token': opaque,
        'an ID token': idToken,
        'a refresh token': refresh,
        'an authorization code': String(form['code']),
        'an API key that does not exist': 'gh_0123456789abcdef',
        'too long': `${access}${'x'.repeat(20_000)}`,
      };
      for (const [name, token] of Object.entries(forged)) {
        const reply = await current(token).catch(() => undefined);
        if (name === 'too long') continue;
        assert.deepEqual([reply?.status, reply?.body['code']], [401, 'token.invalid'], name);
        assert.match(reply?.headers.get('www-authenticate') ?? '', /error="invalid_token"/, name);
      }
      assert.equal((await current(access)).status, 200);
    });

    it('may at most what the token says and the roles give at this moment', async () => {
      const admin = await api.issuer.addUser({ roles: ['administrator'] });
      const person = await signIn({ userId: admin, scope: 'openid account sessions.read' });
      const list = (): Promise<ApiReply> => api.call(`GET /api/users/${admin}/sessions`, { token: person.access });
      assert.equal((await list()).status, 200);
      assert.equal((await api.call(`DELETE /api/users/${admin}/sessions`, { token: person.access })).status, 403, 'not asked for');
      await api.issuer.owner.query('delete from role_assignments where user_id = $1', [admin]);
      assert.equal((await list()).status, 403, 'the role was taken away');
      await api.issuer.owner.query(`update clients set permissions = '{tokens.validate}' where client_id = 'manager'`);
      assert.equal((await api.call(`GET /api/users/${admin}/sessions`, { token: manager })).status, 403);
      await api.issuer.owner.query(
        `update clients set permissions = '{sessions.read,sessions.write,tokens.validate}' where client_id = 'manager'`,
      );
    });

    it('proves the possession of the key that a token is bound to, once for each call', async () => {
      const key = await dpopKey();
      const { issuer } = api;
      issuer.state.accountId = await issuer.addUser();
      const { form } = await authorize(issuer, 'bound', { scope: 'openid account', resource: `${issuer.url}/api` });
      const { body } = await issuer.token(
        { ...form, client_id: 'bound', resource: `${issuer.url}/api` },
        { dpop: await key.proof(`${issuer.url}/token`) },
      );
      const token = String(body.access_token);
      const ath = createHash('sha256').update(token).digest('base64url');
      const url = `${issuer.url}/api/sessions/current`;
      const send = (proof: string | undefined, scheme = 'DPoP'): Promise<ApiReply> =>
        api.call('GET /api/sessions/current', {
          headers: { authorization: `${scheme} ${token}`, ...(proof === undefined ? {} : { dpop: proof }) },
        });
      const good = await key.proof(url, { htm: 'GET', ath });
      assert.equal((await send(good)).status, 200);
      const bad: Record<string, string | undefined> = {
        'no proof': undefined,
        'the same proof again': good,
        'another method': await key.proof(url, { ath }),
        'another address': await key.proof(`${issuer.url}/api/sessions/validate`, { htm: 'GET', ath }),
        'another token': await key.proof(url, { htm: 'GET', ath: 'x' }),
        'no token': await key.proof(url, { htm: 'GET' }),
        'another key': await (await dpopKey()).proof(url, { htm: 'GET', ath }),
        'no JWT': 'nonsense',
      };
      for (const [name, proof] of Object.entries(bad)) {
        const reply = await send(proof);
        assert.equal(reply.status, 401, name);
        assert.match(reply.headers.get('www-authenticate') ?? '', /^DPoP error="invalid_dpop_proof"/);
      }
      assert.equal((await send(await key.proof(url, { htm: 'GET', ath }), 'Bearer')).status, 401, 'as a bearer token');
      const once = await key.proof(url, { htm: 'GET', ath });
      const parallel = await Promise.all(Array.from({ length: 8 }, () => send(once)));
      assert.deepEqual(parallel.filter(({ status }) => status === 200).length, 1);
      assert.equal((await api.call('POST /api/sessions/logout', { body: { token } })).status, 401, 'a bound token alone is no authority');
    });

    it('costs one statement beside what is asked for', async () => {
      const person = await signIn();
      const statements = await api.issuer.counted(() => api.call('GET /api/sessions/current', { token: person.access }));
      assert.equal(statements, 2, 'who calls, and the session');
    });
  });
});
