/** The process as a service manager sees it: asked to stop, killed, started too early, and flooded. */

import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { basicAuth, MANAGER, newAddress } from '#test/support/app.ts';
import {
  createTestDatabase,
  makeTestDirectory,
  removeTestDirectory,
  startPrivateCluster,
  type TestDatabase,
} from '#test/support/database.ts';
import { environmentOf } from '#test/support/environment.ts';

interface Process {
  child: ChildProcess;
  base: string;
  metrics: string;
  output(): string;
  /** Resolves with the code, or the signal that ended it. */
  ended: Promise<number | string>;
}

describe('the process', function () {
  this.timeout(180_000);
  let database: TestDatabase;
  let dataDir: string;
  let env: Record<string, string>;
  const running = new Set<ChildProcess>();

  before(async () => {
    database = await createTestDatabase();
    dataDir = await makeTestDirectory();
    ({ env } = await environmentOf(database.url, dataDir));
  });
  afterEach(async () => {
    for (const child of running) {
      child.kill('SIGKILL');
      await once(child, 'exit').catch(() => {});
    }
  });
  after(async () => {
    await database?.drop();
    await removeTestDirectory(dataDir);
  });

  function launch(more: Record<string, string> = {}): Process {
    const settings = { ...env, ...more };
    const child = spawn(process.execPath, ['src/main.ts'], { env: settings, stdio: ['ignore', 'pipe', 'pipe'] });
    running.add(child);
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
    const ended = new Promise<number | string>((resolve) =>
      child.once('exit', (code, signal) => {
        running.delete(child);
        resolve(code ?? signal ?? '');
      }),
    );
    return {
      child,
      base: `http://localhost:${settings['PORT']}`,
      metrics: `http://127.0.0.1:${settings['METRICS_PORT']}`,
      output: () => output,
      ended,
    };
  }

  async function ready(server: Process, withinMs = 60_000): Promise<Process> {
    const started = performance.now();
    for (;;) {
      const response = await fetch(`${server.base}/health/ready`).catch(() => undefined);
      if (response?.status === 200) return server;
      assert.equal(server.child.exitCode, null, server.output());
      assert.ok(performance.now() - started < withinMs, server.output());
      await sleep(100);
    }
  }

  const token = async (base: string): Promise<Response> =>
    fetch(`${base}/token`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded', ...basicAuth(MANAGER) },
      body: String(new URLSearchParams({ grant_type: 'client_credentials', resource: `${base}/api` })),
    });
  const bearer = async (base: string): Promise<Record<string, string>> => ({
    authorization: `Bearer ${((await (await token(base)).json()) as { access_token: string }).access_token}`,
    'content-type': 'application/json',
  });

  it('lets requests under way end when it is asked to stop, takes no others, and exits with 0', async () => {
    const server = await ready(launch());
    // Half a request: the rest is sent after the signal.
    const body = String(new URLSearchParams({ grant_type: 'client_credentials', resource: `${server.base}/api` }));
    const socket = connect(Number(env['PORT']), 'localhost');
    let answer = '';
    socket.on('data', (chunk: Buffer) => (answer += chunk.toString()));
    await once(socket, 'connect');
    socket.write(
      `POST /token HTTP/1.1\r\nHost: localhost:${env['PORT']}\r\nAuthorization: ${basicAuth(MANAGER)['authorization']}\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: ${body.length}\r\n\r\n${body.slice(0, 10)}`,
    );
    const statuses: (number | string)[] = [];
    let stopping = false;
    const load = Array.from({ length: 4 }, async () => {
      while (!stopping)
        statuses.push(
          await token(server.base).then(
            (response) => response.arrayBuffer().then(() => response.status),
            () => 'refused',
          ),
        );
    });
    await sleep(300);
    const signalled = performance.now();
    server.child.kill('SIGTERM');
    await sleep(500);
    socket.write(body.slice(10));
    await once(socket, 'close');
    stopping = true;
    await Promise.all(load);
    assert.match(answer, /^HTTP\/1\.1 200 OK\r\n/);
    assert.match(answer, /\r\nConnection: close\r\n/i);
    assert.match(answer, /"access_token":/);
    assert.equal(await server.ended, 0, server.output());
    assert.ok(performance.now() - signalled < 35_000);
    assert.deepEqual(
      [...new Set(statuses)].filter((status) => status !== 200 && status !== 'refused'),
      [],
      'nobody gets a wrong answer',
    );
  });

  it('has everything that it acknowledged after it was killed in the middle, and starts again by itself', async () => {
    const server = await ready(launch());
    const headers = await bearer(server.base);
    const [people, tokens]: [string[], string[]] = [[], []];
    let going = true;
    const load = [
      ...Array.from({ length: 4 }, async () => {
        while (going) {
          const response = await fetch(`${server.base}/api/users`, {
            method: 'POST',
            headers,
            body: JSON.stringify({ username: `u${randomBytes(8).toString('hex')}` }),
          }).catch(() => undefined);
          const made = response && ((await response.json().catch(() => undefined)) as { id?: string } | undefined);
          if (response?.status === 201 && made?.id) people.push(made.id);
        }
      }),
      ...Array.from({ length: 4 }, async () => {
        while (going) {
          const response = await token(server.base).catch(() => undefined);
          const made = response && ((await response.json().catch(() => undefined)) as { access_token?: string } | undefined);
          if (response?.status === 200 && made?.access_token) tokens.push(made.access_token);
        }
      }),
    ];
    while (people.length < 40 || tokens.length < 40) await sleep(20);
    server.child.kill('SIGKILL');
    assert.equal(await server.ended, 'SIGKILL');
    going = false;
    await Promise.all(load);

    const again = await ready(launch());
    const after = await bearer(again.base);
    for (const id of people) assert.equal((await fetch(`${again.base}/api/users/${id}`, { headers: after })).status, 200);
    for (const one of [tokens.at(0), tokens.at(-1)]) {
      const response = await fetch(`${again.base}/api/users?limit=1`, { headers: { authorization: `Bearer ${one}` } });
      assert.equal(response.status, 200, 'a token that was given is good');
    }
    const owner = new pg.Client({ connectionString: database.url });
    await owner.connect();
    const { rows } = await owner.query<{ type: string; count: string; ids: string[] }>(
      `select type, count(*), array_agg(target_id) as ids from audit_events where type in ('user.created', 'token.issued') group by type`,
    );
    const created = rows.find(({ type }) => type === 'user.created');
    assert.ok(
      people.every((id) => created?.ids.includes(id)),
      'and every change has its audit row',
    );
    assert.ok(
      Number(rows.find(({ type }) => type === 'token.issued')?.count) >= tokens.length,
      JSON.stringify(rows.map(({ type, count }) => [type, count])),
    );
    const { rows: half } = await owner.query(
      `select 1 from users u where username like 'u%' and not exists (select 1 from audit_events a where a.target_id = u.id::text and a.type = 'user.created')`,
    );
    assert.equal(half.length, 0, 'no half person');
    await owner.end();
    again.child.kill('SIGTERM');
    assert.equal(await again.ended, 0);
  });

  it('waits for a database that is not there yet, says so, and is ready soon after it', async () => {
    const cluster = await startPrivateCluster();
    try {
      await cluster.halt();
      const server = launch({ DATABASE_URL: cluster.connectionString });
      while (!server.output().includes('the database does not answer')) {
        assert.equal(server.child.exitCode, null, server.output());
        await sleep(100);
      }
      let alive: Response | undefined;
      while (!alive) alive = await fetch(`${server.base}/health/live`).catch(() => undefined);
      assert.equal(alive.status, 200, 'it lives, or it would be restarted for ever');
      for (const path of ['/health/ready', '/.well-known/openid-configuration', '/api/me']) {
        const response = await fetch(server.base + path);
        assert.deepEqual([response.status, response.headers.get('retry-after')], [503, '1'], path);
      }
      await cluster.restart();
      await ready(server);
      server.child.kill('SIGTERM');
      assert.equal(await server.ended, 0);
    } finally {
      await cluster.stop();
    }
  });

  it('ends at once when it is asked to stop while it still waits for its database', async () => {
    const server = launch({ DATABASE_URL: 'postgres://nobody@127.0.0.1:1/none' });
    while (!server.output().includes('the database does not answer')) {
      assert.equal(server.child.exitCode, null, server.output());
      await sleep(100);
    }
    server.child.kill('SIGTERM');
    assert.equal(await Promise.race([server.ended, sleep(20_000, 'still there')]), 0, server.output());
  });

  it('sheds sign-ins that it cannot hash in time with 503, while everything else is answered and memory stays bounded', async () => {
    const server = await ready(launch());
    const headers = await bearer(server.base);
    const made = await fetch(`${server.base}/api/clients`, {
      method: 'POST',
      headers,
      body: JSON.stringify({
        client_id: `flood-${randomBytes(4).toString('hex')}`,
        client_name: 'Flood',
        redirect_uris: ['https://app.test/cb'],
        token_endpoint_auth_method: 'none',
        direct_login: true,
      }),
    });
    const { client_id } = (await made.json()) as { client_id: string };
    const memory = async (): Promise<number> =>
      Number(/^process_resident_memory_bytes (\S+)/m.exec(await (await fetch(`${server.metrics}/metrics`)).text())?.[1]);
    const signIn = (n: number): Promise<Response> =>
      fetch(`${server.base}/api/auth/login`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'x-forwarded-for': newAddress() },
        body: JSON.stringify({ username: `nobody-${n}@example.test`, password: 'violet cactus thunder marble', client_id }),
      });
    const before = await memory();
    const flood = Array.from({ length: 300 }, (_, n) => signIn(n).then((response) => response.arrayBuffer().then(() => response)));
    let slowest = 0;
    for (let n = 0; n < 10; n++) {
      const started = performance.now();
      assert.equal((await fetch(`${server.base}/jwks`)).status, 200);
      assert.equal((await fetch(`${server.base}/health/live`)).status, 200);
      slowest = Math.max(slowest, performance.now() - started);
      await sleep(50);
    }
    const answers = await Promise.all(flood);
    const count = (status: number): number => answers.filter((answer) => answer.status === status).length;
    assert.equal(count(401) + count(503), answers.length, JSON.stringify(answers.map(({ status }) => status)));
    assert.ok(count(503) > 0 && count(401) > 0, `${count(401)} judged, ${count(503)} shed`);
    assert.ok(answers.filter(({ status }) => status === 503).every((answer) => Number(answer.headers.get('retry-after')) > 0));
    assert.ok(slowest < 5000, `${slowest} ms for what needs no hash`);
    const grown = ((await memory()) - before) / 1_048_576;
    assert.ok(grown < 300, `${Math.round(grown)} MiB more`);
    server.child.kill('SIGTERM');
    assert.equal(await server.ended, 0);
  });
});
