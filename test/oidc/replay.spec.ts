import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { type CryptoKey, exportJWK, generateKeyPair, SignJWT } from 'jose';
import { Browser } from '#test/support/browser.ts';
import { API, authorization, authorize, basic, dpopKey, MACHINE, startIssuer, type TestIssuer } from '#test/support/oidc.ts';

describe('proofs that are shown twice', () => {
  let issuer: TestIssuer;
  let key: CryptoKey;
  before(async () => {
    issuer = await startIssuer();
    const pair = await generateKeyPair('ES256', { extractable: true });
    key = pair.privateKey;
    const jwks = { keys: [{ ...(await exportJWK(pair.publicKey)), alg: 'ES256', use: 'sig', kid: 'c' }] };
    await issuer.addClient('signed', { ...MACHINE, token_endpoint_auth_method: 'private_key_jwt', jwks });
    await issuer.addClient('app', { dpop_bound_access_tokens: true }, { first_party: true });
  });
  after(() => issuer.close());
  afterEach(() => assert.deepEqual(issuer.state.errors, []));

  const assertion = (claims: Record<string, unknown> = {}): Promise<string> =>
    new SignJWT({ iss: 'signed', sub: 'signed', aud: issuer.url, jti: randomUUID(), ...claims })
      .setProtectedHeader({ alg: 'ES256', kid: 'c' })
      .setIssuedAt()
      .setExpirationTime('1 minute')
      .sign(key);
  const ask = (client_assertion: string) =>
    issuer.token({
      grant_type: 'client_credentials',
      resource: API,
      client_assertion,
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    });

  it('a client assertion is accepted once, also when ten come at the same instant', async () => {
    const one = await assertion();
    assert.deepEqual([(await ask(one)).status, (await ask(one)).status], [200, 401]);
    const many = await assertion();
    const answers = await Promise.all(Array.from({ length: 10 }, () => ask(many)));
    assert.equal(answers.filter(({ status }) => status === 200).length, 1);
  });

  it('a client assertion for somebody else, from somebody else or out of date is refused', async () => {
    const expired = Math.floor(Date.now() / 1000) - 300;
    const wrongs: Record<string, unknown>[] = [
      { aud: 'https://other.test' },
      { sub: 'app' },
      { iss: 'app' },
      { exp: expired },
      { jti: undefined },
    ];
    for (const claims of wrongs) {
      const wrong = new SignJWT({ iss: 'signed', sub: 'signed', aud: issuer.url, jti: randomUUID(), exp: expired + 360, ...claims });
      const { status } = await ask(await wrong.setProtectedHeader({ alg: 'ES256', kid: 'c' }).setIssuedAt().sign(key));
      assert.ok(status === 401 || status === 400, `${JSON.stringify(claims)}: ${status}`);
    }
    const stranger = await generateKeyPair('ES256');
    const forged = await new SignJWT({ iss: 'signed', sub: 'signed', aud: issuer.url, jti: randomUUID() })
      .setProtectedHeader({ alg: 'ES256', kid: 'c' })
      .setIssuedAt()
      .setExpirationTime('1 minute')
      .sign(stranger.privateKey);
    assert.equal((await ask(forged)).status, 401);
  });

  it('a DPoP proof is accepted once, for the endpoint it was made for, and by the key the code is bound to', async () => {
    const mine = await dpopKey();
    const htu = `${issuer.url}/token`;
    const { form } = await authorize(issuer, 'app', { scope: 'openid', dpop_jkt: mine.thumbprint });
    const redeem = (DPoP: string) => issuer.token(form, { ...basic('app'), DPoP });
    assert.notEqual((await issuer.token(form, basic('app'))).status, 200, 'no proof');
    assert.notEqual((await redeem(await mine.proof(`${issuer.url}/other`))).status, 200, 'another endpoint');
    assert.notEqual((await redeem(await (await dpopKey()).proof(htu))).status, 200, 'another key');
    const proof = await mine.proof(htu);
    const first = await redeem(proof);
    assert.deepEqual([first.status, first.body['token_type']], [200, 'DPoP'], first.text);
    const refresh = (DPoP: string) =>
      issuer.token({ grant_type: 'refresh_token', refresh_token: first.body.refresh_token }, { ...basic('app'), DPoP });
    assert.equal((await refresh(proof)).status, 400, 'the same proof again');
    const bearer = await issuer.get('/me', { authorization: `Bearer ${first.body.access_token}` });
    assert.equal(bearer.status, 401, 'a bound token alone is nothing');
  });

  it('an interaction that is resumed several times at once gives no error of ours', async () => {
    const browser = new Browser(issuer.url);
    const login = (await browser.request(authorization('app').path)).headers.get('location') ?? '';
    const resume = (await browser.request(login)).headers.get('location') ?? '';
    const answers = await Promise.all(Array.from({ length: 6 }, () => browser.clone().request(resume)));
    assert.ok(answers.some(({ status, headers }) => status === 303 && /code=/.test(headers.get('location') ?? '')));
    for (const { status } of answers) assert.ok([303, 400].includes(status), String(status));
  });
});
