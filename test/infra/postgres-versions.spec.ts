/** An older PostgreSQL than the embedded one that the suite runs on: migrations, roles and a whole sign-in on what the distribution installs (15 on Debian 12). */
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { chown, mkdtemp, rm } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import pg from 'pg';
import { serverAccount } from '#src/infra/embedded-postgres/account.ts';
import { migrate, migrateDown } from '#src/infra/migrate.ts';
import { ADMIN, freePort, MANAGER, type RunningApp, startTestApp } from '#test/support/app.ts';
import { skip } from '#test/support/skip.ts';

const ROOT = '/usr/lib/postgresql';
/** The oldest that is promised, where there are several. */
const VERSION = (existsSync(ROOT) ? readdirSync(ROOT) : [])
  .map(Number)
  .filter((version) => version >= 15)
  .sort((a, b) => a - b)[0];
const BIN = `${ROOT}/${VERSION}/bin`;
const run = promisify(execFile);

describe('an older PostgreSQL', function () {
  this.timeout(60_000);
  let directory: string | undefined;
  let stop: (() => Promise<void>) | undefined;
  let url = '';

  before(async function () {
    if (VERSION === undefined) return skip(this, 'no PostgreSQL of the distribution is installed');
    const ids: { uid?: number; gid?: number } = (await serverAccount()) ?? {};
    directory = await mkdtemp('/tmp/gatehouse-pg15-');
    if (ids.uid !== undefined) await chown(directory, ids.uid, ids.gid!);
    const data = path.join(directory, 'data');
    await run(path.join(BIN, 'initdb'), ['-D', data, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-sync'], ids);
    const port = await freePort();
    const child = spawn(
      path.join(BIN, 'postgres'),
      ['-D', data, '-p', String(port), '-c', 'listen_addresses=127.0.0.1', '-c', 'unix_socket_directories=', '-c', 'fsync=off'],
      {
        ...ids,
        stdio: 'ignore',
      },
    );
    stop = async () => {
      const gone = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGINT');
      await gone;
    };
    const admin = `postgres://postgres@127.0.0.1:${port}/postgres`;
    for (let tries = 0; ; tries++) {
      const client = new pg.Client({ connectionString: admin });
      try {
        await client.connect();
        await client.query('create role app_owner login createrole');
        await client.query('create database app owner app_owner');
        break;
      } catch (error) {
        if (tries > 100) throw error;
        await sleep(100);
      } finally {
        await client.end().catch(() => {});
      }
    }
    url = `postgres://app_owner@127.0.0.1:${port}/app`;
  });

  after(async () => {
    await stop?.();
    if (directory) await rm(directory, { recursive: true, force: true });
  });

  it('takes the migrations up, down and up again', async () => {
    assert.ok((await migrate(url)).length > 0);
    await migrateDown(url);
    assert.ok((await migrate(url)).length > 0);
  });

  it('carries a whole server: a management client works, and the administrator signs in directly', async () => {
    const app: RunningApp = await startTestApp({ databaseUrl: url });
    try {
      const [{ version }] = (await app.owner.query('show server_version')).rows.map((row: { server_version: string }) => ({
        version: row.server_version,
      })) as [{ version: string }];
      assert.ok(version.startsWith(`${VERSION}.`), version);
      const client = await app.api('POST', '/api/clients', {
        client_name: 'First party',
        redirect_uris: ['http://localhost:9/cb'],
        first_party: true,
        direct_login: true,
      });
      assert.equal(client.status, 201, client.text);
      const answer = await fetch(`${app.issuer}/api/auth/login`, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          authorization: `Basic ${Buffer.from(`${client.body['client_id']}:${client.body['client_secret']}`).toString('base64')}`,
        },
        body: JSON.stringify({ username: ADMIN.email, password: ADMIN.password }),
      });
      const tokens = (await answer.json()) as Record<string, string>;
      assert.equal(answer.status, 200, JSON.stringify(tokens));
      const me = await app.api('GET', '/api/me', undefined, { authorization: `Bearer ${tokens['access_token']}` });
      assert.equal(me.body['email'], ADMIN.email);
      const inspected = await app.token({ grant_type: 'client_credentials' }, MANAGER);
      assert.equal(inspected.status, 200);
    } finally {
      await app.close();
    }
  });
});
