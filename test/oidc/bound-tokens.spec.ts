/** What a token may be bound to at our own API; tokens are made by hand, since the server issues none of the odd ones. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type CryptoKey, exportJWK, generateKeyPair, type JWTPayload, SignJWT } from 'jose';
import Koa from 'koa';
import { systemClock } from '#src/core/clock.ts';
import { newId } from '#src/core/ids.ts';
import { currentRequest, type ShownCertificate } from '#src/core/scope.ts';
import { asAppError } from '#src/http/problem.ts';
import { createLimits } from '#src/infra/limits.ts';
import { createAuthenticate } from '#src/oidc/authenticate.ts';
import { createFailureLimits } from '#src/oidc/failure-limits.ts';
import { createTokenState } from '#src/oidc/token-state.ts';
import { type CertificateMaker, certificateMaker, type MadeCertificate, needOpenssl, structured } from '#test/support/certificates.ts';
import { MACHINE, startIssuer, type TestIssuer } from '#test/support/oidc.ts';
import { rolesKept } from '#test/support/roles.ts';

describe('tokens that are bound', function () {
  this.timeout(60_000);
  let maker: CertificateMaker;
  let issuer: TestIssuer;
  let server: Server;
  let key: CryptoKey;
  let good: MadeCertificate;
  let certificate: ShownCertificate | undefined;

  before(async function () {
    needOpenssl(this);
    maker = await certificateMaker();
    good = await maker.make({ subject: '/CN=app' });
    issuer = await startIssuer();
    await issuer.addClient('machine', MACHINE);
    const { privateKey, publicKey } = await generateKeyPair('ES256');
    key = privateKey;
    const jwks = { keys: [{ ...(await exportJWK(publicKey)), alg: 'ES256', kid: 'k' }] };
    const { db, url } = issuer;
    const tokens = createTokenState({ db, keys: { publicJwks: () => jwks }, clock: systemClock });
    const keys = { authenticate: async () => undefined };
    const failures = createFailureLimits(createLimits({ db }));
    const authenticate = createAuthenticate({ db, clock: systemClock, tokens, baseIssuer: url, roles: rolesKept(db), keys, failures });
    const app = new Koa();
    app.use((_ctx, next) => currentRequest.run({ id: newId(), address: '', device: '', issuer: url, certificate }, next));
    app.use(async (ctx) => {
      try {
        ctx.body = (await authenticate(ctx))?.clientId;
      } catch (error) {
        ctx.status = asAppError(error).status;
      }
    });
    server = createServer(app.callback()).listen(0, '127.0.0.1');
    await once(server, 'listening');
  });
  after(async () => {
    server?.close();
    await issuer?.close();
    await maker?.remove();
  });

  const call = async (claims: JWTPayload, scheme = 'Bearer'): Promise<number> => {
    const token = await new SignJWT({ client_id: 'machine', scope: '', ...claims })
      .setProtectedHeader({ alg: 'ES256', kid: 'k', typ: 'at+jwt' })
      .setIssuer(issuer.url)
      .setAudience(`${issuer.url}/api`)
      .setSubject('machine')
      .setJti(newId())
      .setExpirationTime('1m')
      .sign(key);
    const { port } = server.address() as AddressInfo;
    return (await fetch(`http://127.0.0.1:${port}/`, { headers: { authorization: `${scheme} ${token}` } })).status;
  };

  it('are good with the certificate they name, and by no other word', async () => {
    const cnf = { 'x5t#S256': good.thumbprint };
    certificate = undefined;
    assert.equal(await call({}), 200, 'bound to nothing');
    assert.equal(await call({ cnf }), 401);
    certificate = { text: structured(good), verified: false };
    assert.equal(await call({}), 200);
    assert.equal(await call({ cnf }), 200);
    assert.equal(await call({ cnf }, 'DPoP'), 401);
    certificate = { text: 'nothing', verified: true };
    assert.equal(await call({ cnf }), 401);
  });

  it('are refused where they are bound to what nobody here can check, beside what can be or alone', async () => {
    certificate = { text: structured(good), verified: true };
    const thumbprint = { 'x5t#S256': good.thumbprint };
    const odd: unknown[] = [
      null,
      {},
      'x',
      [],
      { jku: 'https://keys.test' },
      { ...thumbprint, jku: 'https://keys.test' },
      { ...thumbprint, jkt: 'x' },
      { 'x5t#S256': [good.thumbprint] },
      { 'x5t#S256': good.thumbprint.toUpperCase() },
      { jkt: 'x' },
    ];
    for (const cnf of odd) for (const scheme of ['Bearer', 'DPoP']) assert.equal(await call({ cnf }, scheme), 401, JSON.stringify(cnf));
  });
});
