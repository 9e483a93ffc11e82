import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';

const infra = path.resolve('src/infra');

/** A primary with workers that answer with their pid; `WORKERS_MODE` makes them fail. */
const PROGRAM = `
import cluster from 'node:cluster';
import http from 'node:http';
import { attachToPrimary, superviseWorkers } from '${infra}/workers.ts';
import { createLogger } from '${infra}/log.ts';
if (cluster.isPrimary) {
  const supervisor = superviseWorkers({ count: 2, log: createLogger({ level: 'silent' }), backoffMs: [20, 100] });
  process.on('SIGTERM', async () => { await supervisor.stop(2000); process.exit(0); });
  try { await supervisor.started; console.log('started'); } catch (error) { process.exit(error.code); }
} else if (process.env.WORKERS_MODE === 'fail') process.exit(78);
else {
  process.on('SIGTERM', () => {});
  const server = http.createServer((request, response) => { response.setHeader('connection', 'close'); response.end(String(process.pid)); if (request.url === '/die') setTimeout(() => process.exit(9), 5); });
  const primary = attachToPrimary(() => process.exit(0));
  server.listen(Number(process.env.TEST_PORT), '127.0.0.1', () => primary.ready());
}
`;

describe('workers', function () {
  this.timeout(20_000);
  let dir: string;
  let file: string;
  let child: ChildProcess | undefined;

  before(() => {
    dir = mkdtempSync(path.join(tmpdir(), 'gatehouse-workers-'));
    file = path.join(dir, 'program.mjs');
    writeFileSync(file, PROGRAM);
  });
  afterEach(() => {
    if (child?.exitCode === null) child.kill('SIGKILL');
  });
  after(() => rmSync(dir, { recursive: true }));

  async function freePort(): Promise<number> {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    server.close();
    await once(server, 'close');
    return port;
  }

  async function run(mode = ''): Promise<{ child: ChildProcess; port: number }> {
    const port = await freePort();
    const started = spawn(process.execPath, [file], {
      env: { PATH: process.env['PATH'], TEST_PORT: String(port), WORKERS_MODE: mode },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    child = started;
    return { child: started, port };
  }

  async function pids(port: number, count: number): Promise<Set<string>> {
    const seen = new Set<string>();
    for (let round = 0; round < 200 && seen.size < count; round += 1) {
      const answer = await fetch(`http://127.0.0.1:${port}/`).catch(() => undefined);
      if (answer) seen.add(await answer.text());
      else await new Promise((resolve) => setTimeout(resolve, 25));
    }
    return seen;
  }

  const isAlive = (pid: string): boolean => {
    try {
      process.kill(Number(pid), 0);
      return true;
    } catch {
      return false;
    }
  };

  async function gone(all: Iterable<string>): Promise<void> {
    for (const pid of all)
      for (let round = 0; isAlive(pid); round += 1) {
        assert.ok(round < 100, `${pid} lives on`);
        await new Promise((resolve) => setTimeout(resolve, 25));
      }
  }

  it('share one port, are replaced when they die, and stop with the primary', async () => {
    const { child: primary, port } = await run();
    await once(primary.stdout!, 'data');
    const first = await pids(port, 2);
    assert.equal(first.size, 2);
    const dead = await (await fetch(`http://127.0.0.1:${port}/die`)).text();
    await gone([dead]);
    const second = await pids(port, 2);
    assert.equal(second.size, 2);
    assert.ok(!second.has(dead));
    primary.kill('SIGTERM');
    const [code] = (await once(primary, 'exit')) as [number];
    assert.equal(code, 0);
    await gone(second);
  });

  it('do not outlive a primary that was killed', async () => {
    const { child: primary, port } = await run();
    await once(primary.stdout!, 'data');
    const all = await pids(port, 2);
    primary.kill('SIGKILL');
    await once(primary, 'exit');
    await gone(all);
  });

  it('end the primary with their own code where the first cannot start', async () => {
    const { child: primary } = await run('fail');
    const [code] = (await once(primary, 'exit')) as [number];
    assert.equal(code, 78);
  });
});
