import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose';
import { createOutboundFetch } from '#src/infra/outbound-http.ts';
import { type Answer, MACHINE, startIssuer, type TestIssuer } from '#test/support/oidc.ts';

describe('a client’s key set', function () {
  this.timeout(30_000);
  let issuer: TestIssuer;
  let sink: Server;
  let port: number;
  let hits = 0;
  let keys: JWK[] = [];
  let sign: (clientId: string) => Promise<string>;
  let mode: 'keys' | 'redirect' | 'endless' = 'keys';

  before(async () => {
    const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true });
    keys = [{ ...(await exportJWK(publicKey)), kid: 'c', alg: 'ES256', use: 'sig' }];
    sink = createServer((_request, response) => {
      hits += 1;
      if (mode === 'redirect') response.writeHead(302, { location: `http://127.0.0.1:${port}/elsewhere` }).end();
      else if (mode === 'endless') {
        response.writeHead(200, { 'content-type': 'application/json' });
        const more = setInterval(() => response.write(' '.repeat(100_000)), 1);
        response.on('close', () => clearInterval(more));
      } else response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ keys }));
    });
    sink.listen(0, '127.0.0.1');
    await once(sink, 'listening');
    port = (sink.address() as AddressInfo).port;
    issuer = await startIssuer();
    sign = (clientId) =>
      new SignJWT({ jti: randomUUID() })
        .setProtectedHeader({ alg: 'ES256', kid: 'c' })
        .setIssuer(clientId)
        .setSubject(clientId)
        .setAudience(issuer.url)
        .setIssuedAt()
        .setExpirationTime('1m')
        .sign(privateKey);
  });
  after(async () => {
    sink.closeAllConnections();
    sink.close();
    await issuer.close();
  });
  beforeEach(() => {
    hits = 0;
    mode = 'keys';
  });

  let number = 0;
  async function authenticate(jwks_uri: string): Promise<Answer> {
    number += 1;
    const clientId = `machine-${number}`;
    await issuer.addClient(clientId, { ...MACHINE, token_endpoint_auth_method: 'private_key_jwt', jwks_uri });
    const assertion = {
      client_assertion: await sign(clientId),
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    };
    return issuer.token({ grant_type: 'client_credentials', client_id: clientId, ...assertion });
  }

  it('is fetched from where the operator allows it', async () => {
    issuer.restart({ fetch: createOutboundFetch({ allowHosts: [`127.0.0.1:${port}`] }) });
    const { status, text } = await authenticate(`http://127.0.0.1:${port}/jwks`);
    assert.deepEqual([status, hits], [200, 1], text);
  });

  it('is fetched from no private address, however it is spelled, and the client is refused', async () => {
    issuer.restart({ fetch: createOutboundFetch() });
    for (const host of ['127.0.0.1', 'localhost', '[::1]', '[::ffff:127.0.0.1]', '0.0.0.0', '2130706433', '0x7f.1', '169.254.169.254']) {
      for (const scheme of ['http', 'https']) {
        const { status, body } = await authenticate(`${scheme}://${host}:${port}/jwks`);
        assert.deepEqual([status, body.error], [401, 'invalid_client'], `${scheme} ${host}`);
      }
    }
    assert.equal(hits, 0);
  });

  it('is not followed to another address, and not read for ever', async () => {
    issuer.restart({ fetch: createOutboundFetch({ allowHosts: [`127.0.0.1:${port}`], timeoutMs: 1000 }) });
    mode = 'redirect';
    assert.equal((await authenticate(`http://127.0.0.1:${port}/jwks`)).status, 401);
    assert.equal(hits, 1);
    mode = 'endless';
    const began = performance.now();
    assert.equal((await authenticate(`http://127.0.0.1:${port}/jwks`)).status, 401);
    assert.ok(performance.now() - began < 3000);
  });
});
