import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { copyFile, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { MANAGER, type RunningApp, startTestApp } from '#test/support/app.ts';

const run = promisify(execFile);
const root = path.resolve(import.meta.dirname, '../..');
const COMPILER = {
  target: 'es2024',
  module: 'nodenext',
  strict: true,
  exactOptionalPropertyTypes: true,
  noUncheckedIndexedAccess: true,
  allowImportingTsExtensions: true,
  noEmit: true,
  types: ['node'],
};

describe('a client generated from the OpenAPI document', function () {
  this.timeout(120_000);
  let app: RunningApp;
  let folder: string;

  before(async () => {
    app = await startTestApp();
    folder = await mkdtemp(path.join(tmpdir(), 'gatehouse-openapi-'));
    await symlink(path.join(root, 'node_modules'), path.join(folder, 'node_modules'));
    await mkdir(path.join(folder, 'src'));
    await copyFile(path.join(import.meta.dirname, 'openapi/client.ts.txt'), path.join(folder, 'src/client.ts'));
    await writeFile(path.join(folder, 'package.json'), '{"type":"module"}');
    await writeFile(path.join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions: COMPILER, include: ['src'] }));
  });
  after(async () => {
    await app.close();
    await rm(folder, { recursive: true, force: true });
  });

  it('compiles under the strictest settings, and creates a tenant, a role and a member', async () => {
    await writeFile(path.join(folder, 'openapi.json'), (await app.api('GET', '/openapi.json')).text);
    const generator = path.join(root, 'node_modules/openapi-typescript/bin/cli.js');
    const hooks = path.join(import.meta.dirname, 'openapi/typescript.mjs');
    await run(process.execPath, ['--import', hooks, generator, 'openapi.json', '-o', 'src/gatehouse.d.ts'], { cwd: folder });
    const compiled = await run(path.join(root, 'node_modules/.bin/tsc'), ['-p', '.'], { cwd: folder }).catch(({ stdout }) => ({ stdout }));
    assert.equal(compiled.stdout, '');

    const token = await app.token({ grant_type: 'client_credentials', resource: `${app.issuer}/api` }, MANAGER);
    const person = await app.api('POST', '/api/users', { username: 'typed' });
    assert.equal(person.status, 201, person.text);
    const env = { ...process.env, ISSUER: app.issuer, TOKEN: String(token.body['access_token']), PERSON: String(person.body['id']) };
    const { stdout } = await run(process.execPath, ['src/client.ts'], { cwd: folder, env });
    const made = JSON.parse(stdout) as { tenantId: string; roleId: string; member: string; roles: string[] };
    assert.equal(made.member, person.body['id']);
    assert.deepEqual(made.roles, ['reader']);
    const stored = await app.owner.query('select role_names_of($1, $2) as names', [made.member, made.tenantId]);
    assert.deepEqual(stored.rows[0].names, ['reader']);
  });

  it('does not compile where it sends what the document does not know', async () => {
    const wrong = `import createClient from 'openapi-fetch'; import type { paths } from './gatehouse.d.ts';
      const api = createClient<paths>({}); await api.POST('/api/tenants', { body: { name: 'x', type: 'galaxy' } });`;
    await writeFile(path.join(folder, 'src/wrong.ts'), wrong);
    const compiled = await run(path.join(root, 'node_modules/.bin/tsc'), ['-p', '.'], { cwd: folder }).then(
      () => 'compiled',
      ({ stdout }: { stdout: string }) => stdout,
    );
    await rm(path.join(folder, 'src/wrong.ts'));
    assert.match(compiled, /wrong\.ts.*galaxy/s);
  });
});
