import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { type Config, ConfigError, loadConfig } from '#src/config.ts';

const key = (): string => randomBytes(32).toString('base64');

describe('config', () => {
  let dir: string;
  const dataDir = (): string => path.join(dir, 'data');

  beforeEach(() => {
    dir = mkdtempSync(path.join(tmpdir(), 'gatehouse-config-'));
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  const load = (env: Record<string, string> = {}): Config => loadConfig({ DATA_DIR: dataDir(), ...env });
  function faultsOf(env: Record<string, string>, options?: { directory: string }): string {
    try {
      loadConfig({ DATA_DIR: dataDir(), ...env }, options);
    } catch (error) {
      assert.ok(error instanceof ConfigError, String(error));
      return error.faults.join('\n');
    }
    return '';
  }
  const production = (more: Record<string, string> = {}): Record<string, string> => ({
    NODE_ENV: 'production',
    ISSUER: 'https://id.example.org',
    DATABASE_URL: 'postgres://app:x@db/gatehouse',
    ENCRYPTION_KEY: key(),
    COOKIE_KEYS: key(),
    ...more,
  });

  it('needs no setting at all for a trial on loopback', () => {
    const config = load();
    assert.equal(config.issuer, 'http://localhost:3000');
    assert.deepEqual([config.host, config.port], [['127.0.0.1', '::1'], 3000]);
    assert.deepEqual([config.metricsHost, config.metricsPort, config.workers, config.logLevel], ['127.0.0.1', 9464, 1, 'info']);
    assert.deepEqual([config.production, config.loopback, config.databaseUrl], [false, true, undefined]);
    assert.equal(config.encryptionKeys[0]!.length, 32);
    assert.equal(config.lifetimes.authorizationCode, 60);
    assert.throws(() => {
      config.port = 1;
    }, TypeError);
  });

  it('takes the port into the default issuer', () => {
    assert.equal(load({ PORT: '4000' }).issuer, 'http://localhost:4000');
  });

  it('makes keys once, for its owner only, and finds them again', () => {
    const [one, two] = [load(), load()];
    assert.deepEqual(one.encryptionKeys, two.encryptionKeys);
    assert.deepEqual(one.cookieKeys, two.cookieKeys);
    assert.notEqual(one.encryptionKeys[0]!.toString('base64'), one.cookieKeys[0]);
    assert.equal(statSync(path.join(dataDir(), 'encryption.key')).mode & 0o777, 0o600);
    chmodSync(path.join(dataDir(), 'encryption.key'), 0o644);
    assert.match(faultsOf({}), /DATA_DIR .*can be read by others/);
  });

  it('agrees on the keys with a process that starts at the same time', async () => {
    const script = `import { loadConfig } from '${path.resolve('src/config.ts')}'; console.log(loadConfig(process.env).encryptionKeys[0].toString('base64'))`;
    const start = () => promisify(execFile)(process.execPath, ['--input-type=module', '-e', script], { env: { DATA_DIR: dataDir() } });
    const answers = (await Promise.all([start(), start(), start()])).map(({ stdout }) => stdout.trim());
    assert.equal(new Set(answers).size, 1);
    assert.equal(Buffer.from(answers[0]!, 'base64').length, 32);
  });

  it('lets the environment win over the file of the mode, and that over the default', () => {
    writeFileSync(path.join(dir, 'default.json'), readFileSync('config/default.json'));
    writeFileSync(path.join(dir, 'staging.json'), JSON.stringify({ port: 5000, logLevel: 'warn', lifetimes: { accessToken: 120 } }));
    const config = loadConfig({ DATA_DIR: dataDir(), NODE_ENV: 'staging', LOG_LEVEL: 'debug' }, { directory: dir });
    assert.deepEqual([config.port, config.logLevel, config.lifetimes.accessToken, config.lifetimes.idToken], [5000, 'debug', 120, 600]);
  });

  it('refuses unknown settings and secrets in the files', () => {
    writeFileSync(path.join(dir, 'default.json'), readFileSync('config/default.json'));
    writeFileSync(path.join(dir, 'staging.json'), JSON.stringify({ prot: 1, cookieKeys: [key()], lifetimes: { acessToken: 1 } }));
    const faults = faultsOf({ NODE_ENV: 'staging' }, { directory: dir });
    assert.match(faults, /^prot in config/m);
    assert.match(faults, /^lifetimes\.acessToken in config/m);
    assert.match(faults, /^COOKIE_KEYS must not stand in config\/staging\.json/m);
  });

  it('tells all faults at once, each with the name of its setting, and quotes no secret', () => {
    const faults = faultsOf({
      PORT: 'eighty',
      WORKERS: '0',
      ISSUER: 'http://id.example.org',
      DATABASE_URL: 'mysql://root:hunter2@db/x',
      ENCRYPTION_KEY: Buffer.alloc(32).toString('base64'),
      COOKIE_KEYS: 'changeme',
      LOG_LEVEL: 'loud',
      TRUSTED_PROXIES: '10.0.0.0/8,banana',
      SMTP_URL: 'https://mail',
      BOOTSTRAP_CLIENT_ID: 'ops',
      BOOTSTRAP_ADMIN_EMAIL: 'a@b\r\nBcc: c@d',
    });
    const names = [
      'PORT',
      'WORKERS',
      'ISSUER',
      'DATABASE_URL',
      'ENCRYPTION_KEY',
      'COOKIE_KEYS',
      'LOG_LEVEL',
      'TRUSTED_PROXIES',
      'SMTP_URL',
    ];
    for (const name of [...names, 'BOOTSTRAP_CLIENT_SECRET', 'BOOTSTRAP_ADMIN_EMAIL']) assert.match(faults, new RegExp(`^${name}\\b`, 'm'));
    assert.doesNotMatch(faults, /hunter2|AAAAAAA/);
    assert.match(faults, /LOG_LEVEL must be one of trace, debug/);
  });

  it('allows http for loopback hosts only, and wants an issuer without slash, path, query or fragment', () => {
    for (const issuer of [
      'http://localhost:3000',
      'http://127.0.0.1:8080',
      'http://[::1]:3000',
      'http://acme.localhost',
      'https://id.example.org',
    ])
      assert.equal(faultsOf({ ISSUER: issuer }), '', issuer);
    for (const issuer of [
      'http://example.org',
      'http://localhost.example.org',
      'http://127.0.0.1.example.org',
      'https://id.example.org/',
      'https://id.example.org/auth',
      'https://id.example.org?x',
      'https://id.example.org#x',
      'https://ID.example.org',
      'https://id.example.org:443',
      'https://u:p@id.example.org',
      'ftp://id.example.org',
      'id.example.org',
    ])
      assert.match(faultsOf({ ISSUER: issuer }), /^ISSUER /m, issuer);
  });

  it('in production listens everywhere and requires database and keys', () => {
    assert.deepEqual(load(production()).host, ['0.0.0.0', '::']);
    const faults = faultsOf({ NODE_ENV: 'production', ISSUER: 'https://id.example.org' });
    for (const name of ['DATABASE_URL', 'ENCRYPTION_KEY', 'COOKIE_KEYS']) assert.match(faults, new RegExp(`^${name} is required`, 'm'));
  });

  it('refuses sample, short and patterned secrets', () => {
    const text = (words: string): string => Buffer.from(words.padEnd(32, '!').slice(0, 32)).toString('base64');
    const sequence = Buffer.from(Array.from({ length: 32 }, (_, n) => n)).toString('base64');
    for (const bad of [
      text('please change me now, will you'),
      sequence,
      'c2hvcnQ=',
      'not base64 at all',
      Buffer.alloc(32, 7).toString('base64'),
    ])
      assert.match(faultsOf(production({ ENCRYPTION_KEY: bad })), /^ENCRYPTION_KEY /m, bad);
    for (const bad of [
      'secret',
      'keyboard cat',
      'your-secret-key-here-your-secret-key',
      'abababababababababababababababababab',
      'short-but-fine',
    ])
      assert.match(faultsOf(production({ COOKIE_KEYS: `${key()},${bad}` })), /^COOKIE_KEYS /m, bad);
    const client = { BOOTSTRAP_CLIENT_ID: 'ops', BOOTSTRAP_CLIENT_SECRET: 'changeme-changeme-changeme-changeme' };
    assert.match(faultsOf(production(client)), /^BOOTSTRAP_CLIENT_SECRET is a sample/m);
    assert.match(faultsOf(production({ BOOTSTRAP_ADMIN_PASSWORD: 'admin123' })), /^BOOTSTRAP_ADMIN_PASSWORD /m);
  });

  it('takes a range of IPv4-mapped addresses only where it stays among them', () => {
    assert.equal(faultsOf({ TRUSTED_PROXIES: '::ffff:10.0.0.0/104' }), '');
    assert.match(faultsOf({ TRUSTED_PROXIES: '::ffff:10.0.0.0/24' }), /^TRUSTED_PROXIES /m);
  });

  it('takes headers of their own for certificates, in any case', () => {
    const plain = load();
    assert.deepEqual([plain.clientCertificateHeader, plain.clientCertificateVerifiedHeader], [undefined, 'x-ssl-client-verify']);
    assert.equal(load({ CLIENT_CERTIFICATE_HEADER: 'X-SSL-Cert' }).clientCertificateHeader, 'x-ssl-cert');
    for (const name of ['Authorization', 'cookie', 'X-Forwarded-For', 'a b', 'x_y', 'x:y', 'Content-Type', 'X-Tenant-Id'])
      assert.match(faultsOf({ CLIENT_CERTIFICATE_HEADER: name }), /^CLIENT_CERTIFICATE_HEADER /m, name);
    assert.match(
      faultsOf({ CLIENT_CERTIFICATE_HEADER: 'Client-Cert', CLIENT_CERTIFICATE_VERIFIED_HEADER: 'Client-Cert' }),
      /^CLIENT_CERTIFICATE_VERIFIED_HEADER must be another/m,
    );
  });

  it('takes a bootstrap client id that the API and the protocol take, and no other', () => {
    const secret = { BOOTSTRAP_CLIENT_SECRET: key() };
    for (const id of ['ops', 'my-client_1.~']) assert.equal(faultsOf(production({ ...secret, BOOTSTRAP_CLIENT_ID: id })), '', id);
    for (const id of ['x', 'a/b', 'my client', 'ops!', 'x'.repeat(65)])
      assert.match(faultsOf(production({ ...secret, BOOTSTRAP_CLIENT_ID: id })), /^BOOTSTRAP_CLIENT_ID /m, id);
  });

  it('rotates encryption keys as a list whose first encrypts', () => {
    const [fresh, old] = [key(), key()];
    const config = load(production({ ENCRYPTION_KEY: `${fresh}, ${old}` }));
    assert.deepEqual(
      config.encryptionKeys.map((each) => each.toString('base64')),
      [fresh, old],
    );
  });

  it('reads every secret from a file too, but not from both', () => {
    const file = path.join(dir, 'url');
    writeFileSync(file, 'postgres://app:x@elsewhere/gatehouse\n');
    const { DATABASE_URL: _, ...rest } = production();
    assert.equal(load({ ...rest, DATABASE_URL_FILE: file }).databaseUrl, 'postgres://app:x@elsewhere/gatehouse');
    assert.match(faultsOf(production({ DATABASE_URL_FILE: file })), /^DATABASE_URL and DATABASE_URL_FILE are both set/m);
    assert.match(faultsOf({ ...rest, DATABASE_URL_FILE: path.join(dir, 'none') }), /^DATABASE_URL_FILE cannot be read \(ENOENT\)/m);
  });

  it('treats an empty variable as one that is not set', () => {
    assert.equal(load({ ISSUER: '', REDIS_URL: ' ', PORT: '' }).issuer, 'http://localhost:3000');
  });
});
