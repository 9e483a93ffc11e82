import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair, type JWK } from 'jose';
import { Provider } from 'oidc-provider';
import { createProviderPool, type ProviderPool } from '#src/oidc/provider-pool.ts';
import { cachePublicDocuments } from '#src/oidc/public-documents.ts';

/** Public documents need no storage. */
class Nothing {
  async upsert(): Promise<void> {}
  async find(): Promise<undefined> {}
  async findByUid(): Promise<undefined> {}
  async findByUserCode(): Promise<undefined> {}
  async consume(): Promise<void> {}
  async destroy(): Promise<void> {}
  async revokeByGrantId(): Promise<void> {}
}

describe('provider pool', () => {
  let pool: ProviderPool;
  let server: Server;
  let url: string;
  let key: JWK;
  const revisions = new Map<string, number>();
  const built: string[] = [];

  before(async () => {
    const { privateKey } = await generateKeyPair('ES256', { extractable: true });
    key = await exportJWK(privateKey);
    pool = createProviderPool({
      maxLive: 2,
      lookup: (issuer) => (revisions.has(issuer) ? { issuer, revision: revisions.get(issuer)! } : undefined),
      build({ issuer, revision }) {
        built.push(`${issuer} ${revision}`);
        const provider = new Provider(issuer, {
          adapter: Nothing,
          jwks: { keys: [{ ...key, kid: `k${revision}`, alg: 'ES256' } as never] },
          features: { devInteractions: { enabled: false } },
          cookies: { keys: ['c'] },
          clientDefaults: { id_token_signed_response_alg: 'ES256' },
        });
        cachePublicDocuments(provider, { maxAgeSeconds: 7, metadata: { authzen_endpoint: 'here' } });
        return provider;
      },
    });
    server = createServer((request, response) => {
      const issuer = String(request.headers['x-issuer']);
      request.headers.host = new URL(issuer).host;
      request.headers['x-forwarded-host'] = new URL(issuer).host;
      request.headers['x-forwarded-proto'] = 'https';
      pool.handle(issuer, request, response);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  after(() => {
    server.closeAllConnections();
    server.close();
  });
  beforeEach(() => {
    built.length = 0;
    for (const name of ['a', 'b', 'c']) revisions.set(`https://${name}.test`, 1);
  });

  const get = async (
    issuer: string,
    path: string,
    init: RequestInit & { headers?: Record<string, string> } = {},
  ): Promise<{ status: number; headers: Headers; text: string }> => {
    const response = await fetch(url + path, { ...init, headers: { 'x-issuer': issuer, ...init.headers } });
    return { status: response.status, headers: response.headers, text: await response.text() };
  };
  const DISCOVERY = '/.well-known/openid-configuration';
  const kids = async (issuer: string): Promise<string[]> =>
    (JSON.parse((await get(issuer, '/jwks')).text) as { keys: { kid: string }[] }).keys.map(({ kid }) => kid);

  it('builds a provider for each issuer once, each speaking of itself', async () => {
    for (const issuer of ['https://a.test', 'https://b.test', 'https://a.test']) {
      const document = JSON.parse((await get(issuer, DISCOVERY)).text) as Record<string, string>;
      assert.deepEqual([document['issuer'], document['token_endpoint'], document['authzen_endpoint']], [issuer, `${issuer}/token`, 'here']);
    }
    assert.deepEqual(built, ['https://a.test 1', 'https://b.test 1']);
    assert.throws(() => pool.get('https://unknown.test'), /no issuer/);
  });

  it('keeps as many as it may, and builds again what it let go', async () => {
    for (const name of ['a', 'b', 'c']) await get(`https://${name}.test`, DISCOVERY);
    assert.equal(pool.size, 2);
    built.length = 0;
    await get('https://c.test', DISCOVERY);
    assert.deepEqual(built, []);
    await get('https://a.test', DISCOVERY);
    assert.deepEqual(built, ['https://a.test 1']);
  });

  it('exchanges a provider under load without an error, and shows the new keys at once', async () => {
    const issuer = 'https://a.test';
    let running = true;
    const failures: number[] = [];
    const loops = Array.from({ length: 4 }, async () => {
      while (running) {
        const { status } = await get(issuer, DISCOVERY);
        if (status !== 200) failures.push(status);
      }
    });
    for (let revision = 2; revision < 8; revision += 1) {
      revisions.set(issuer, revision);
      assert.deepEqual(await kids(issuer), [`k${revision}`]);
    }
    running = false;
    await Promise.all(loops);
    assert.deepEqual(failures, []);
  });

  it('public documents say how long they may be kept, and answer 304, HEAD and every origin', async () => {
    for (const path of [DISCOVERY, '/jwks', '/.well-known/oauth-authorization-server']) {
      const first = await get('https://a.test', path, { headers: { origin: 'https://one.test' } });
      assert.equal(first.status, 200, path);
      assert.equal(first.headers.get('cache-control'), 'public, max-age=7, must-revalidate');
      assert.equal(first.headers.get('access-control-allow-origin'), '*');
      assert.equal(first.headers.get('vary'), null);
      const etag = first.headers.get('etag') ?? '';
      assert.match(etag, /^"[\w-]{27}"$/);
      const other = await get('https://a.test', path, { headers: { origin: 'https://two.test' } });
      assert.deepEqual([other.text, other.headers.get('access-control-allow-origin')], [first.text, '*']);
      const same = await get('https://a.test', path, { headers: { 'if-none-match': etag } });
      assert.deepEqual([same.status, same.text], [304, '']);
      const head = await get('https://a.test', path, { method: 'HEAD' });
      assert.deepEqual([head.status, head.text, head.headers.get('etag')], [200, '', etag]);
    }
    assert.notEqual(
      (await get('https://a.test', DISCOVERY)).headers.get('etag'),
      (await get('https://b.test', DISCOVERY)).headers.get('etag'),
    );
  });
});
