/** RFC 8705: tokens that are bound to a certificate, and clients that register one. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { ADMIN, type Reply } from '#test/support/app.ts';
import { type MadeCertificate, shown } from '#test/support/certificates.ts';
import { visit } from '#test/support/person.ts';
import { type Certified, DN, startCertified, TLS } from '../support/certified.ts';

describe('certificates of clients', function () {
  this.timeout(60_000);
  let app: Certified['app'];
  let good: Certified['good'];
  let other: Certified['other'];
  let create: Certified['create'];
  let token: Certified['token'];
  let close: Certified['close'] | undefined;

  before(async function () {
    ({ app, good, other, create, token, close } = await startCertified(this));
  });
  after(() => close?.());

  describe('that tokens are bound to', () => {
    const BOUND = { ...DN, tls_client_certificate_bound_access_tokens: true, permissions: ['clients.read'] };
    let clientId: string;
    before(async () => {
      clientId = await create(BOUND);
    });
    const bound = async (): Promise<string> => {
      const answer = await token(clientId, shown(good), { resource: `${app.issuer}/api`, scope: 'clients.read' });
      assert.equal(answer.status, 200, answer.text);
      assert.equal(answer.body['token_type'], 'Bearer');
      return String(answer.body['access_token']);
    };
    const call = (authorization: string, headers: Record<string, string> = {}): Promise<Reply> =>
      app.api('GET', '/api/clients?limit=1', undefined, { ...headers, authorization });

    it('have to come with them to our API', async () => {
      const access = await bound();
      assert.equal((await call(`Bearer ${access}`, shown(good))).status, 200);
      assert.equal((await call(`Bearer ${access}`, shown(good, 'FAILED:unknown'))).status, 200, 'possession is enough');
      for (const headers of [{}, shown(other), { 'client-cert': ':AAAA:' }]) {
        const refused = await call(`Bearer ${access}`, headers);
        assert.deepEqual([refused.status, refused.body['code']], [401, 'token.invalid'], refused.text);
        assert.match(refused.headers.get('www-authenticate') ?? '', /^Bearer error="invalid_token"/);
      }
      assert.equal((await call(`DPoP ${access}`, shown(good))).status, 401);
    });

    it('show in introspection and validation', async () => {
      const access = await bound();
      const cnf = { 'x5t#S256': good.thumbprint };
      const asked = await fetch(`${app.issuer}/token/introspection`, {
        method: 'POST',
        headers: shown(good),
        body: new URLSearchParams({ token: access, client_id: clientId }),
      });
      const body = (await asked.json()) as Record<string, unknown>;
      assert.deepEqual([body['active'], body['token_type'], body['cnf']], [true, 'Bearer', cnf]);
      const seen = await app.api('POST', '/api/sessions/validate', { token: access });
      assert.deepEqual([seen.status, seen.body['token_type'], seen.body['cnf']], [200, 'Bearer', cnf], seen.text);
    });

    it('show of opaque tokens too', async () => {
      const identifier = 'https://opaque.example.test';
      const made = await app.api('POST', '/api/resources', { identifier, name: 'Opaque', accessTokenFormat: 'opaque', scopes: [] });
      assert.equal(made.status, 201, made.text);
      const answer = await token(clientId, shown(good), { resource: identifier });
      assert.equal(answer.status, 200, answer.text);
      const seen = await app.api('POST', '/api/sessions/validate', { token: String(answer.body['access_token']) });
      assert.deepEqual([seen.body['token_type'], seen.body['cnf']], ['Bearer', { 'x5t#S256': good.thumbprint }], seen.text);
    });

    it('are the ones that the client shows: none, no token', async () => {
      const open = await app.api('POST', '/api/clients', {
        client_name: 'Secret',
        grant_types: ['client_credentials'],
        tls_client_certificate_bound_access_tokens: true,
      });
      const client = { id: String(open.body['client_id']), secret: String(open.body['client_secret']) };
      const refused = await app.token({ grant_type: 'client_credentials' }, client);
      assert.deepEqual([refused.status, refused.body['error']], [400, 'invalid_grant'], refused.text);
      assert.equal((await app.token({ grant_type: 'client_credentials' }, client, shown(other, 'NONE'))).status, 200);
    });

    it('have to come with them to userinfo, and refresh tokens of public clients to the token endpoint', async () => {
      const redirect = 'https://app.test/cb';
      const id = await create({
        redirect_uris: [redirect],
        grant_types: ['authorization_code', 'refresh_token'],
        token_endpoint_auth_method: 'none',
        first_party: true,
        tls_client_certificate_bound_access_tokens: true,
      });
      const verifier = 'v'.repeat(43);
      const challenge = createHash('sha256').update(verifier).digest('base64url');
      const query = { client_id: id, redirect_uri: redirect, response_type: 'code', scope: 'openid', code_challenge_method: 'S256' };
      const url = `${app.issuer}/auth?${new URLSearchParams({ ...query, code_challenge: challenge, state: 'x' })}`;
      const { location, page } = await visit(app.browser(), url, { login: ADMIN.email, password: ADMIN.password });
      assert.ok(location, page?.text);
      const code = String(location.searchParams.get('code'));
      const redeem = { grant_type: 'authorization_code', client_id: id, code, redirect_uri: redirect, code_verifier: verifier };
      assert.equal((await app.token(redeem)).status, 400, 'no certificate, no token, and the code is good still');
      const given = await app.token(redeem, undefined, shown(other, 'NONE'));
      assert.equal(given.status, 200, given.text);
      const userinfo = async (headers: Record<string, string>): Promise<number> =>
        (await fetch(`${app.issuer}/me`, { headers: { authorization: `Bearer ${String(given.body['access_token'])}`, ...headers } }))
          .status;
      assert.deepEqual([await userinfo(shown(other, 'NONE')), await userinfo({}), await userinfo(shown(good))], [200, 401, 401]);
      const refresh = { grant_type: 'refresh_token', client_id: id, refresh_token: String(given.body['refresh_token']) };
      for (const headers of [{}, shown(good)]) assert.equal((await app.token(refresh, undefined, headers)).body['error'], 'invalid_grant');
      assert.equal((await app.token(refresh, undefined, shown(other, 'NONE'))).status, 200);
    });

    it('make two refreshes different, and one with the same certificate the same again', async () => {
      const id = await create({
        token_endpoint_auth_method: 'self_signed_tls_client_auth',
        grant_types: ['refresh_token'],
        jwks: {
          keys: [
            { ...good.jwk, kid: 'a' },
            { ...other.jwk, kid: 'b' },
          ],
        },
        tls_client_certificate_bound_access_tokens: true,
        direct_login: true,
        first_party: true,
      });
      const post = async (path: string, body: object, one: MadeCertificate): Promise<Pick<Reply, 'status' | 'text' | 'body'>> => {
        const answer = await fetch(app.issuer + path, {
          method: 'POST',
          headers: { 'content-type': 'application/json', ...shown(one, 'NONE') },
          body: JSON.stringify({ client_id: id, ...body }),
        });
        const text = await answer.text();
        return { status: answer.status, text, body: JSON.parse(text) as Record<string, unknown> };
      };
      const login = { username: ADMIN.email, password: ADMIN.password, scope: 'openid offline_access' };
      const first = await post('/api/auth/login', login, good);
      assert.equal(first.status, 200, first.text);
      const refresh = { refresh_token: String(first.body['refresh_token']) };
      const again = [await post('/api/sessions/refresh', refresh, good), await post('/api/sessions/refresh', refresh, good)];
      assert.deepEqual(
        again.map(({ status }) => status),
        [200, 200],
        again[1]!.text,
      );
      assert.equal(again[0]!.body['access_token'], again[1]!.body['access_token']);
      const third = await post('/api/sessions/refresh', refresh, other);
      assert.equal(third.status, 200, third.text);
      assert.notEqual(third.body['access_token'], again[0]!.body['access_token']);
      const of = async (reply: Pick<Reply, 'body'>): Promise<unknown> =>
        (await app.api('POST', '/api/sessions/validate', { token: String(reply.body['access_token']) })).body['cnf'];
      assert.deepEqual(await of(third), { 'x5t#S256': other.thumbprint });
      assert.deepEqual(await of(again[1]!), { 'x5t#S256': good.thumbprint });
    });
  });

  describe('in the registration', () => {
    const self = { grant_types: ['client_credentials'], token_endpoint_auth_method: 'self_signed_tls_client_auth' };
    const faults: readonly [string, () => object, string][] = [
      ['no name', () => TLS, '/token_endpoint_auth_method'],
      ['two names', () => ({ ...DN, tls_client_auth_san_dns: 'a.test' }), '/token_endpoint_auth_method'],
      ['no distinguished name', () => ({ ...TLS, tls_client_auth_subject_dn: '/C=DE/CN=x' }), '/tls_client_auth_subject_dn'],
      ['a wildcard', () => ({ ...TLS, tls_client_auth_san_dns: '*.a.test' }), '/tls_client_auth_san_dns'],
      ['no URI', () => ({ ...TLS, tls_client_auth_san_uri: 'a b' }), '/tls_client_auth_san_uri'],
      ['no address', () => ({ ...TLS, tls_client_auth_san_ip: '1.2.3' }), '/tls_client_auth_san_ip'],
      ['no mail address', () => ({ ...TLS, tls_client_auth_san_email: 'abc' }), '/tls_client_auth_san_email'],
      ['a name without its method', () => ({ ...DN, token_endpoint_auth_method: 'client_secret_basic' }), '/tls_client_auth_subject_dn'],
      ['self-signed without a key set', () => self, '/jwks'],
      ['self-signed without a certificate', () => ({ ...self, jwks: { keys: [{ ...good.jwk, x5c: undefined }] } }), '/jwks'],
      ['a certificate of another key', () => ({ ...self, jwks: { keys: [{ ...good.jwk, x5c: other.jwk.x5c }] } }), '/jwks/keys/0/x5c'],
      [
        'two kinds of binding',
        () => ({ ...DN, tls_client_certificate_bound_access_tokens: true, dpop_bound_access_tokens: true }),
        '/tls_client_certificate_bound_access_tokens',
      ],
    ];
    for (const [name, body, pointer] of faults)
      it(`are refused: ${name}`, async () => {
        const refused = await app.api('POST', '/api/clients', { client_name: 'x', ...body() });
        assert.equal(refused.status, 422, refused.text);
        const errors = refused.body['errors'] as { pointer: string }[];
        assert.ok(
          errors.some((error) => error.pointer === pointer),
          refused.text,
        );
      });

    it('stay as they were given, and may be exchanged', async () => {
      const made = await app.api('POST', '/api/clients', { client_name: 'x', ...DN });
      assert.equal(made.body['tls_client_auth_subject_dn'], DN.tls_client_auth_subject_dn);
      const changed = await app.api(
        'PATCH',
        `/api/clients/${String(made.body['client_id'])}`,
        { tls_client_auth_subject_dn: null, tls_client_auth_san_dns: 'pay.example.test' },
        { 'content-type': 'application/merge-patch+json', 'if-match': made.headers.get('etag') ?? '*' },
      );
      assert.equal(changed.status, 200, changed.text);
      assert.equal(changed.body['tls_client_auth_subject_dn'], undefined);
      assert.equal((await token(String(made.body['client_id']), shown(good))).status, 200);
    });

    it('are enough for FAPI 2.0, which binds to them instead of a key', async () => {
      const fapi2 = await create({ ...DN, profile: 'fapi2', tls_client_certificate_bound_access_tokens: true });
      const answer = await token(fapi2, shown(good));
      assert.deepEqual([answer.status, answer.body['token_type']], [200, 'Bearer'], answer.text);
      const keyed = await create({ ...DN, profile: 'fapi2' });
      assert.equal((await token(keyed, shown(good))).status, 400, 'without either');
    });

    it('are advertised', async () => {
      const discovery = (await (await fetch(`${app.issuer}/.well-known/openid-configuration`)).json()) as Record<string, unknown>;
      const methods = discovery['token_endpoint_auth_methods_supported'] as string[];
      assert.ok(methods.includes('tls_client_auth') && methods.includes('self_signed_tls_client_auth'));
      assert.equal(discovery['tls_client_certificate_bound_access_tokens'], true);
    });
  });
});
