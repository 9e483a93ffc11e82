/** Signing keys go round under load, on two nodes; a relying party that keeps the key set exactly as long as it may verifies every token. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { createLocalJWKSet, decodeProtectedHeader, type JSONWebKeySet, jwtVerify } from 'jose';
import { freePort, MANAGER, type RunningApp, startTestApp } from '#test/support/app.ts';
import { startTcpProxy, type TcpProxy } from '#test/support/tcp-proxy.ts';

// In the ordinary run a short version; ROTATION_SECONDS=120 takes the time that it is about.
const SECONDS = Number(process.env['ROTATION_SECONDS'] ?? 20);
const LONG = SECONDS >= 60;
const JWKS_SECONDS = LONG ? 3 : 1;
// In the short version more often than caches allow: the server has to hold it back.
const ROTATE_EVERY_MS = LONG ? 10_000 : 500;
const LEAST_ROTATIONS = LONG ? SECONDS / 10 - 2 : 2;
const APIS = { RS256: 'https://rs256.test', ES256: 'https://es256.test', EdDSA: 'https://eddsa.test' } as const;

/** Fetches the key set when its copy is as old as `max-age` allows, and not a moment before: not for a key it does not know either. */
class RelyingParty {
  fetched = 0;
  readonly #issuer: string;
  #keys: Promise<ReturnType<typeof createLocalJWKSet>> | undefined;
  #staleAt = 0;

  constructor(issuer: string) {
    this.#issuer = issuer;
  }

  async verify(token: string, audience: string): Promise<void> {
    // A tab may still be waiting for the answer that another asked for.
    if (!this.#keys || performance.now() >= this.#staleAt) {
      this.#staleAt = Number.POSITIVE_INFINITY;
      this.#keys = this.#fetch();
    }
    await jwtVerify(token, await this.#keys, { issuer: this.#issuer, audience, typ: 'at+jwt' });
  }

  async #fetch(): Promise<ReturnType<typeof createLocalJWKSet>> {
    const response = await fetch(`${this.#issuer}/jwks`);
    const maxAge = Number(/max-age=(\d+)/.exec(response.headers.get('cache-control') ?? '')?.[1]);
    assert.equal(maxAge, JWKS_SECONDS);
    const keys = createLocalJWKSet((await response.json()) as JSONWebKeySet);
    this.fetched += 1;
    this.#staleAt = performance.now() + maxAge * 1000;
    return keys;
  }
}

describe(`signing keys that go round for ${SECONDS} seconds`, () => {
  let nodes: RunningApp[];
  let front: TcpProxy;
  let issuer: string;

  before(async function () {
    this.timeout(60_000);
    const port = await freePort();
    issuer = `http://localhost:${port}`;
    const shared = {
      env: { ISSUER: issuer, ENCRYPTION_KEY: randomBytes(32).toString('base64'), COOKIE_KEYS: randomBytes(32).toString('base64url') },
      lifetimes: { jwksMaxAge: JWKS_SECONDS },
    };
    const first = await startTestApp(shared);
    nodes = [first, await startTestApp({ ...shared, databaseUrl: first.databaseUrl })];
    front = await startTcpProxy(
      nodes.map((node) => ({ host: 'localhost', port: Number(new URL(node.browser().base).port) })),
      { port },
    );
  });
  after(async () => {
    await front.close();
    for (const node of nodes.toReversed()) await node.close();
  });

  async function send(method: string, path: string, init: RequestInit = {}): Promise<Record<string, unknown>> {
    const response = await fetch(issuer + path, { method, ...init });
    const body = (await response.json()) as Record<string, unknown>;
    assert.ok(response.status < 300, `${method} ${path}: ${response.status} ${JSON.stringify(body)}`);
    return body;
  }
  const token = async (resource: string, client = MANAGER): Promise<string> =>
    String(
      (
        await send('POST', '/token', {
          headers: { authorization: `Basic ${Buffer.from(`${client.id}:${client.secret}`).toString('base64')}` },
          body: new URLSearchParams({ grant_type: 'client_credentials', resource }),
        })
      )['access_token'],
    );

  it('are seen by everybody before they sign: no token fails, on any node, in any algorithm', async function () {
    this.timeout((SECONDS + 60) * 1000);
    const call = async (method: string, path: string, body: object): Promise<Record<string, unknown>> =>
      send(method, path, {
        headers: { authorization: `Bearer ${await token(`${issuer}/api`)}`, 'content-type': 'application/json' },
        body: JSON.stringify(body),
      });
    for (const [signingAlg, identifier] of Object.entries(APIS))
      await call('POST', '/api/resources', { identifier, name: 'API', signingAlg });

    const parties = [1, 2, 3].map(() => new RelyingParty(issuer));
    const kids = new Map<string, Set<string>>(Object.keys(APIS).map((alg) => [alg, new Set()]));
    const failures: string[] = [];
    const samples: [string, string][] = [];
    const until = performance.now() + SECONDS * 1000;
    let verified = 0;

    async function load(party: RelyingParty, offset: number): Promise<void> {
      for (let turn = offset; performance.now() < until; turn += 1) {
        const [alg, audience] = Object.entries(APIS)[turn % 3]!;
        try {
          const one = await token(audience);
          const { kid, alg: signed } = decodeProtectedHeader(one);
          assert.equal(signed, alg);
          if (kids.get(alg)?.has(kid!) === false) samples.push([one, audience]);
          kids.get(alg)?.add(kid!);
          await party.verify(one, audience);
          verified += 1;
        } catch (error) {
          failures.push(String(error));
        }
        await sleep(5);
      }
    }
    async function rotate(): Promise<number> {
      let wishes = 0;
      while (performance.now() < until - 1000) {
        await call('POST', '/api/signing-keys/rotate', { mode: 'scheduled' });
        wishes += 1;
        await sleep(Math.min(ROTATE_EVERY_MS, Math.max(0, until - performance.now())));
      }
      return wishes;
    }
    const [, wishes] = await Promise.all([
      Promise.all(parties.flatMap((party, i) => [load(party, i), load(party, i + 1)])),
      rotate(),
      ...nodes.map(async (node) => assert.ok((await node.counted(() => sleep(SECONDS * 1000))) > 10, 'each node had its part')),
    ]);

    const rotations = Math.min(...[...kids.values()].map((seen) => seen.size - 1));
    const fetched = parties.reduce((sum, party) => sum + party.fetched, 0);
    console.log(
      `      ${verified} tokens verified, ${failures.length} failures, ${rotations} rotations of ${kids.size} algorithms (${wishes} asked for), ${fetched} fetches of the key set, in ${SECONDS} s`,
    );
    assert.deepEqual(failures, []);
    assert.ok(rotations >= LEAST_ROTATIONS, `${rotations} rotations`);
    assert.ok(verified > SECONDS * 5);
    // What retired keys have signed is good until it expires.
    const late = new RelyingParty(issuer);
    for (const [one, audience] of samples) await late.verify(one, audience);
    assert.equal(late.fetched >= 1, true);
  });
});
