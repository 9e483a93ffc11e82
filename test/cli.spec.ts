/** The `gatehouse` command, run as a person at a terminal runs it, beside a server on the same database. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import path from 'node:path';
import { ADMIN, basicAuth, type RunningApp, startTestApp } from '#test/support/app.ts';

const ROOT = path.resolve(import.meta.dirname, '..');

describe('the gatehouse command', function () {
  this.timeout(60_000);
  const encryptionKey = randomBytes(32).toString('base64');
  let app: RunningApp;
  before(async () => {
    app = await startTestApp({ env: { ENCRYPTION_KEY: encryptionKey } });
  });
  after(() => app.close());

  function gatehouse(args: readonly string[], input = ''): Promise<{ code: number | null; out: string; err: string }> {
    const child = spawn(process.execPath, ['src/cli.ts', ...args], {
      cwd: ROOT,
      env: {
        PATH: process.env['PATH'],
        NODE_ENV: 'test',
        ISSUER: app.issuer,
        DATABASE_URL: app.databaseUrl,
        DATA_DIR: app.dataDir,
        ENCRYPTION_KEY: encryptionKey,
      },
    });
    let [out, err] = ['', ''];
    child.stdout.on('data', (chunk) => {
      out += String(chunk);
    });
    child.stderr.on('data', (chunk) => {
      err += String(chunk);
    });
    child.stdin.end(input);
    return new Promise((resolve) => child.once('close', (code) => resolve({ code, out, err })));
  }

  it('registers an application that works at once', async () => {
    const made = await gatehouse([
      'client',
      'create',
      '--name',
      'Nightly job',
      '--grant',
      'client_credentials',
      '--permission',
      'users.read',
    ]);
    assert.equal(made.code, 0, made.err);
    const { client_id: id, client_secret: secret } = JSON.parse(made.out) as { client_id: string; client_secret: string };
    const token = await app.token({ grant_type: 'client_credentials', resource: `${app.issuer}/api` }, { id, secret });
    assert.equal(token.status, 200, token.text);
    assert.equal(token.body['scope'], 'users.read');
    const { rows } = await app.owner.query(
      `select outcome, actor_type, actor_id from audit_events where type = 'client.created' and target_id = $1`,
      [id],
    );
    assert.deepEqual(rows, [{ outcome: 'success', actor_type: 'system', actor_id: 'command-line' }]);
  });

  it('says what is wrong with an application that could not work, and makes none', async () => {
    const made = await gatehouse(['client', 'create', '--name', 'Bad', '--redirect-uri', 'https://app.test/*']);
    assert.equal(made.code, 1);
    assert.match(made.err, /redirect_uris/);
    assert.equal(made.out, '');
  });

  it('creates a person, with a password from standard input that has to be changed', async () => {
    const made = await gatehouse(
      ['user', 'create', '--email', 'grace@example.test', '--given-name', 'Grace', '--password-stdin'],
      'a first passphrase 81\n',
    );
    assert.equal(made.code, 0, made.err);
    const { id } = JSON.parse(made.out) as { id: string };
    const user = await app.api('GET', `/api/users/${id}`);
    assert.deepEqual([user.body['email'], user.body['emailVerified'], user.body['givenName']], ['grace@example.test', true, 'Grace']);
  });

  it('gives the administrator a way back in, and ends what the account had', async () => {
    const client = await app.api('POST', '/api/clients', {
      client_name: 'Terminal',
      redirect_uris: ['http://localhost:9/cb'],
      first_party: true,
      direct_login: true,
    });
    const login = (password: string): Promise<Response> =>
      fetch(`${app.issuer}/api/auth/login`, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          ...basicAuth({ id: String(client.body['client_id']), secret: String(client.body['client_secret']) }),
        },
        body: JSON.stringify({ username: ADMIN.email, password }),
      });
    const before = (await (await login(ADMIN.password)).json()) as { access_token: string };
    assert.equal((await app.api('GET', '/api/me', undefined, { authorization: `Bearer ${before.access_token}` })).status, 200);
    const recovered = await gatehouse(['admin', 'recover', ADMIN.email]);
    assert.equal(recovered.code, 0, recovered.err);
    assert.equal((await app.api('GET', '/api/me', undefined, { authorization: `Bearer ${before.access_token}` })).status, 401);
    assert.equal((await login(ADMIN.password)).status, 401);
    const password = /: (\S+)\s*$/.exec(recovered.out)![1]!;
    const answer = await login(password);
    assert.equal(answer.status, 403);
    assert.equal(((await answer.json()) as { code: string }).code, 'auth.password_change_required');
  });

  it('migrates, and does not take back what it was not told twice to', async () => {
    const up = await gatehouse(['migrate']);
    assert.deepEqual([up.code, up.out.trim()], [0, 'nothing to do']);
    const down = await gatehouse(['migrate', '--down']);
    assert.notEqual(down.code, 0);
    assert.equal((await app.api('GET', '/api/users')).status, 200);
  });

  it('prints every fault of the settings and ends with 78', async () => {
    const child = spawn(process.execPath, ['src/cli.ts', 'migrate'], {
      cwd: ROOT,
      env: { PATH: process.env['PATH'], ISSUER: 'http://example.test', PORT: 'x' },
    });
    let err = '';
    child.stderr.on('data', (chunk) => {
      err += String(chunk);
    });
    const code = await new Promise((resolve) => child.once('close', resolve));
    assert.equal(code, 78);
    assert.match(err, /ISSUER/);
    assert.match(err, /PORT/);
  });
});
