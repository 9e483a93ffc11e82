import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createLocalJWKSet, exportJWK, generateKeyPair, jwtVerify } from 'jose';
import { systemClock } from '#src/core/clock.ts';
import type { CachedClient } from '#src/features/clients/index.ts';
import type { SigningAlg } from '#src/features/signing-keys/index.ts';
import { createOutboundFetch } from '#src/infra/outbound-http.ts';
import type { PrivateJwk } from '#src/oidc/keys.ts';
import { createLogout } from '#src/oidc/logout.ts';

describe('back-channel logout', () => {
  const received: { type: string | undefined; body: string }[] = [];
  let status = 200;
  let server: Server;
  let uri: string;
  const keys = new Map<SigningAlg, PrivateJwk>();
  const close: (() => Promise<void>)[] = [];

  before(async () => {
    server = createServer((request, response) => {
      let body = '';
      request.on('data', (chunk) => {
        body += chunk;
      });
      request.on('end', () => {
        received.push({ type: request.headers['content-type'], body });
        if (status === 0) return;
        response.writeHead(status, status === 302 ? { location: 'http://127.0.0.1:1/' } : {}).end();
      });
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    uri = `http://127.0.0.1:${(server.address() as AddressInfo).port}/logout`;
    for (const alg of ['RS256', 'ES256'] as const) {
      const { privateKey } = await generateKeyPair(alg, { extractable: true });
      keys.set(alg, { ...(await exportJWK(privateKey)), alg, kid: alg });
    }
  });
  after(async () => {
    server.closeAllConnections();
    server.close();
    for (const end of close) await end();
  });
  beforeEach(() => {
    received.length = 0;
    status = 200;
  });

  function logoutOf(client: Partial<CachedClient> & { metadata: Record<string, unknown> }, allowHosts: string[] = [new URL(uri).host]) {
    const fetch = createOutboundFetch({ allowHosts, timeoutMs: 300 });
    close.push(() => fetch.close());
    const record: CachedClient = {
      clientId: 'rp',
      tenantId: 't',
      enabled: true,
      secrets: [],
      firstParty: false,
      directLogin: false,
      profile: 'default',
      permissions: [],
      allowedOrigins: [],
      ...client,
    };
    return createLogout({
      clients: { find: async (id) => (id === 'rp' ? record : undefined) },
      keys: { signingKey: (alg) => keys.get(alg)! },
      clock: systemClock,
      fetch,
    });
  }
  const notice = { issuer: 'https://op.test', clientId: 'rp', userId: 'u', sid: 's' };

  for (const alg of ['RS256', 'ES256'] as const) {
    it(`posts a logout token that the relying party can check, signed as its ID tokens are (${alg})`, async () => {
      await logoutOf({
        metadata: { backchannel_logout_uri: uri, ...(alg === 'RS256' ? {} : { id_token_signed_response_alg: alg }) },
      }).deliver(notice);
      assert.equal(received[0]?.type, 'application/x-www-form-urlencoded');
      const token = new URLSearchParams(received[0].body).get('logout_token') ?? '';
      const { d: _d, p: _p, q: _q, dp: _dp, dq: _dq, qi: _qi, ...publicKey } = keys.get(alg)!;
      const { payload } = await jwtVerify(token, createLocalJWKSet({ keys: [publicKey] }), {
        issuer: 'https://op.test',
        audience: 'rp',
        typ: 'logout+jwt',
        algorithms: [alg],
      });
      assert.deepEqual(
        [payload.sub, payload['sid'], payload['events']],
        ['u', 's', { 'http://schemas.openid.net/event/backchannel-logout': {} }],
      );
      assert.equal('nonce' in payload, false);
      assert.ok(payload.jti && payload.exp! - payload.iat! <= 120);
    });
  }

  it('fails, to be tried again, where the relying party refuses, redirects or is slow', async () => {
    const logout = logoutOf({ metadata: { backchannel_logout_uri: uri } });
    for (const answer of [400, 500, 302, 0]) {
      status = answer;
      await assert.rejects(logout.deliver(notice), Error, String(answer));
    }
    assert.equal(received.length, 4);
  });

  it('does nothing for a client that wants none, is disabled or gone, and refuses what is no notice', async () => {
    await logoutOf({ metadata: {} }).deliver(notice);
    await logoutOf({ metadata: { backchannel_logout_uri: uri }, enabled: false }).deliver(notice);
    await logoutOf({ metadata: { backchannel_logout_uri: uri } }).deliver({ ...notice, clientId: 'gone' });
    await assert.rejects(logoutOf({ metadata: {} }).deliver({ clientId: 'rp' }), TypeError);
    assert.equal(received.length, 0);
  });

  it('reaches no address that is not public, however it is spelled', async () => {
    const { port } = new URL(uri);
    for (const host of ['127.0.0.1', 'localhost', '[::1]', '[::ffff:127.0.0.1]', '2130706433', '0x7f.1', '0.0.0.0', 'localhost.']) {
      for (const scheme of ['http', 'https']) {
        const logout = logoutOf({ metadata: { backchannel_logout_uri: `${scheme}://${host}:${port}/logout` } }, []);
        await assert.rejects(logout.deliver(notice), Error, `${scheme} ${host}`);
      }
    }
    assert.equal(received.length, 0);
  });
});
