/** Runs the story against the server that the environment names, else against one of its own that is thrown away afterwards. */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { tryTenants } from './run.ts';

const {
  ISSUER,
  BOOTSTRAP_CLIENT_ID: id = 'example',
  BOOTSTRAP_CLIENT_SECRET: secret = randomBytes(24).toString('base64url'),
} = process.env;
const say = (line: string): void => console.log(`  ✓ ${line}`);

const server = ISSUER === undefined ? await startServer() : undefined;
try {
  const issuer = ISSUER ?? server!.issuer;
  console.log(`At ${issuer}`);
  await tryTenants({ issuer, client: { id, secret }, say });
} catch (error) {
  console.error(`  ✗ ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
} finally {
  await server?.stop();
}

async function startServer(): Promise<{ issuer: string; stop(): Promise<void> }> {
  const folder = await mkdtemp(path.join(tmpdir(), 'gatehouse-example-'));
  const [port, metricsPort] = [await freePort(), await freePort()];
  const issuer = `http://localhost:${port}`;
  const env = {
    PATH: process.env['PATH'],
    HOME: process.env['HOME'],
    PORT: String(port),
    METRICS_PORT: String(metricsPort),
    DATA_DIR: path.join(folder, 'data'),
    LOG_LEVEL: 'warn',
    BOOTSTRAP_CLIENT_ID: id,
    BOOTSTRAP_CLIENT_SECRET: secret,
  };
  const main = path.resolve(import.meta.dirname, '../../src/main.ts');
  const child = spawn(process.execPath, [main], { env, stdio: ['ignore', 'ignore', 'inherit'] });
  const stop = async (): Promise<void> => {
    await ended(child, () => child.kill('SIGTERM'));
    await rm(folder, { recursive: true, force: true });
  };
  try {
    for (let tries = 0; tries < 300; tries += 1) {
      if (child.exitCode !== null) throw new Error('the server did not start');
      const ready = await fetch(`${issuer}/health/ready`).then(
        ({ ok }) => ok,
        () => false,
      );
      if (ready) return { issuer, stop };
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    throw new Error('the server was not ready within 30 seconds');
  } catch (error) {
    await stop();
    throw error;
  }
}

async function ended(child: ChildProcess, end: () => void): Promise<void> {
  if (child.exitCode !== null) return;
  const gone = new Promise((resolve) => child.once('exit', resolve));
  end();
  await gone;
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer()
      .once('error', reject)
      .listen(0, '127.0.0.1', () => {
        const address = probe.address();
        probe.close(() => resolve(typeof address === 'object' && address ? address.port : 0));
      });
  });
}
