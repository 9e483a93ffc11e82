/** No secret that passes through the server stays readable behind it: not in any table, not in the queue, not in a line of the log. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { ADMIN, basicAuth, MANAGER, type RunningApp, startTestApp } from '#test/support/app.ts';
import type { Browser, Page } from '#test/support/browser.ts';
import { type Cast, setUpCast } from '#test/support/cast.ts';
import { authorization } from '#test/support/oidc.ts';
import { submit } from '#test/support/person.ts';

const NEW_PASSWORD = 'marble thunder cactus violet 9';
const WRONG_PASSWORD = 'orange lantern bicycle moss 4';

describe('secrets', function () {
  this.timeout(120_000);
  let app: RunningApp;
  let cast: Cast;
  const dumps: Map<string, string>[] = [];
  const encryptionKey = randomBytes(32).toString('base64');
  const cookieKey = randomBytes(32).toString('base64url');
  /** By what they are. */
  const secrets = new Map<string, string>();
  const keep = (name: string, value: unknown): string => {
    const text = String(value);
    assert.ok(text.length >= 6 && text !== 'undefined', `${name}: ${text}`);
    secrets.set(name, text);
    return text;
  };
  const keepCookies = (who: string, browser: Browser): void => {
    for (const [key, { value }] of browser.jar)
      if (value.length >= 16 && !key.startsWith('_')) keep(`cookie ${key} of ${who}`, value.split('.')[0]);
  };

  before(async () => {
    app = await startTestApp({ env: { ENCRYPTION_KEY: encryptionKey, COOKIE_KEYS: cookieKey, LOG_LEVEL: 'trace' } });
    await watchWrites();
    cast = await setUpCast(app);
    keep('ENCRYPTION_KEY', encryptionKey);
    keep('ENCRYPTION_KEY as hex', Buffer.from(encryptionKey, 'base64').toString('hex'));
    keep('COOKIE_KEYS', cookieKey);
    keep('the administrator’s password', ADMIN.password);
    keep('the manager’s secret', MANAGER.secret);
    keep('a person’s password', cast.person.password);
    keep('a client’s secret', cast.client.secret);
    keep('a server’s secret', cast.server.secret);
    await live();
  });
  after(() => app?.close());

  /** What people and programs do in a day. */
  async function live(): Promise<void> {
    const browser = app.browser();
    const form = await cast.authorize(browser, {
      state: keep('a state', randomBytes(16).toString('hex')),
      nonce: keep('a nonce', randomBytes(16).toString('hex')),
    });
    keep('an authorization code', form['code']);
    keep('a code verifier', form['code_verifier']);
    keepCookies('the person', browser);
    const { body } = await app.token(form, cast.client);
    const access = keep('an opaque access token', body['access_token']);
    keep('a refresh token', body['refresh_token']);
    keep('an ID token', String(body['id_token']).split('.')[2]);
    const again = await app.token({ grant_type: 'refresh_token', refresh_token: String(body['refresh_token']) }, cast.client);
    keep('the next refresh token', again.body['refresh_token']);
    keep('the next access token', again.body['access_token']);
    await app.token({ grant_type: 'refresh_token', refresh_token: String(body['refresh_token']) }, cast.client);
    const machine = await app.token({ grant_type: 'client_credentials', resource: cast.api }, cast.server);
    keep('a JWT access token', String(machine.body['access_token']).split('.')[2]);
    await fetch(`${app.issuer}/me`, { headers: { authorization: `Bearer ${access}` } });
    for (const token of [access, String(machine.body['access_token'])])
      await fetch(`${app.issuer}/token/introspection`, {
        method: 'POST',
        headers: { 'content-type': 'application/x-www-form-urlencoded', ...basicAuth(cast.server) },
        body: `token=${token}`,
      });
    const pushed = await fetch(`${app.issuer}/request`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded', ...basicAuth(cast.client) },
      body: authorization(cast.client.id).path.split('?')[1]!,
    });
    keep(
      'a pushed request',
      String(((await pushed.json()) as Record<string, unknown>)['request_uri'])
        .split(':')
        .at(-1),
    );
    const second = await app.api('POST', `/api/clients/${cast.client.id}/secrets`, {});
    keep('a client’s second secret', second.body['client_secret']);
    const idempotent = await app.api(
      'POST',
      '/api/clients',
      { client_name: 'Once', redirect_uris: ['https://once.test/cb'] },
      { 'idempotency-key': 'only-once-1' },
    );
    keep('a secret in an answer that is kept', idempotent.body['client_secret']);

    // What is wrong is somebody’s right password elsewhere.
    const visitor = app.browser();
    const { page: login } = await visitor.go(authorization(cast.client.id).path);
    keep('a wrong password', WRONG_PASSWORD);
    keep('a wrong client secret', 'wrong-secret-7c1e5f0a9b');
    await submit(visitor, login!, { login: cast.person.login, password: WRONG_PASSWORD });
    await app.token({ grant_type: 'client_credentials' }, { ...cast.client, secret: secrets.get('a wrong client secret')! });
    await fetch(`${app.issuer}/api/users?token=${keep('a token in a query', randomBytes(20).toString('hex'))}`, {
      headers: { authorization: `Bearer ${keep('a foreign bearer token', randomBytes(20).toString('hex'))}` },
    });
    await fetch(`${app.issuer}/auth?client_id=x&code=${keep('a code in a query', randomBytes(20).toString('hex'))}`);
    await fetch(`${app.issuer}/login/${keep('an interaction in a path', randomBytes(12).toString('hex'))}`);
    await fetch(`${app.issuer}/nowhere/${keep('something in an unknown path', randomBytes(12).toString('hex'))}`);
    keepCookies('the visitor', visitor);

    const open = async (path: string): Promise<[Browser, Page]> => {
      const one = app.browser();
      const { page } = await one.go(authorization(cast.client.id, { scope: 'openid' }).path);
      return [one, (await one.go(`${page!.url}${path}`)).page!];
    };
    const [registering, register] = await open('/register');
    keep('a new person’s password', 'copper violin harvest cloud 3');
    const { page: verify } = await submit(registering, register, {
      email: 'new@example.test',
      given_name: 'New',
      family_name: 'Person',
      new_password: secrets.get('a new person’s password')!,
    });
    const registrationCode = await app.codeFor('new@example.test');
    keep('a registration code', registrationCode);
    await submit(registering, verify!, { code: registrationCode });
    keepCookies('the new person', registering);
    // A reset ends what there is.
    dumps.push(await dump());
    const [resetting, reset] = await open('/reset');
    const { page: enter } = await submit(resetting, reset, { email: cast.person.login });
    const resetCode = await app.codeFor(cast.person.login);
    keep('a reset code', resetCode);
    keep('the password after a reset', NEW_PASSWORD);
    await submit(resetting, enter!, { code: resetCode, new_password: NEW_PASSWORD });
    // One that nobody used, still waiting.
    await app.api('POST', '/api/users', {
      email: 'idle@example.test',
      emailVerified: true,
      password: keep('a password set by the API', 'silver teapot window rain 6'),
    });
    const [idle, idleReset] = await open('/reset');
    await submit(idle, idleReset, { email: 'idle@example.test' });
    keep('a reset code that is waiting', await app.codeFor('idle@example.test'));
    keepCookies('who waits', idle);
  }

  /** Every row of every table of ours and of the queue, as text; binary columns as what they hold. */
  async function dump(): Promise<Map<string, string>> {
    const { rows: tables } = await app.owner.query<{ name: string }>(
      `select format('%I.%I', n.nspname, c.relname) as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
       where c.relkind in ('r', 'p') and not c.relispartition and c.relname <> 'seen'
         and n.nspname not in ('pg_catalog', 'information_schema') and n.nspname not like 'pg_toast%'`,
    );
    const dumped = new Map<string, string>();
    for (const { name } of tables) {
      const { rows } = await app.owner.query<Record<string, unknown>>(`select * from ${name}`);
      dumped.set(name, rows.map((row) => Object.values(row).map(textOf).join('\t')).join('\n'));
    }
    return dumped;
  }

  /** Keeps each row as it is written, wherever: what stands in the queue, say, is gone before anybody could dump it. */
  async function watchWrites(): Promise<void> {
    await app.owner.query(`
      create table seen (name text not null, row text not null);
      create function see() returns trigger language plpgsql security definer set search_path = public, pg_temp as $$
        begin insert into seen values (tg_argv[0], to_jsonb(new)::text); return null; end $$;
      do $$ declare t record; begin
        for t in select n.nspname, c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
          where c.relkind in ('r', 'p') and not c.relispartition and c.relname <> 'seen' and n.nspname in ('public', 'graphile_worker') loop
          execute format('create trigger see after insert or update on %I.%I for each row execute function see(%L)', t.nspname, t.relname, t.nspname || '.' || t.relname);
        end loop;
      end $$;`);
  }

  /** Every row that was ever written, binary columns as what they hold. */
  async function written(): Promise<Map<string, string>> {
    const { rows } = await app.owner.query<{ name: string; row: string }>('select name, row from seen');
    const texts = new Map<string, string>();
    for (const { name, row } of rows) {
      const binary = [...row.matchAll(/"\\\\x([0-9a-f]+)"/g)].map(([, hex]) => textOf(Buffer.from(hex!, 'hex')));
      texts.set(name, [texts.get(name) ?? '', row, ...binary].join('\n'));
    }
    return texts;
  }

  function textOf(value: unknown): string {
    if (Buffer.isBuffer(value))
      return `${value.toString('latin1')} ${value.toString('hex')} ${value.toString('base64')} ${value.toString('base64url')}`;
    return typeof value === 'object' ? JSON.stringify(value) : String(value);
  }

  // Six digits occur by chance in times and hashes: they count where they stand alone.
  const holds = (text: string, secret: string): boolean =>
    /^\d{6}$/.test(secret) ? new RegExp(`(?<![0-9a-zA-Z.:+/_-])${secret}(?![0-9a-zA-Z.:+/_-])`).test(text) : text.includes(secret);

  it('are in no table, in clear or encoded', async () => {
    dumps.push(await dump());
    const dumped = new Map([...dumps[0]!].map(([table, text]) => [table, `${text}\n${dumps[1]!.get(table)}`]));
    assert.ok(dumped.size > 25, [...dumped.keys()].join());
    for (const table of [
      'users',
      'credentials',
      'oidc_sessions',
      'oidc_objects',
      'oidc_access_tokens',
      'audit_events',
      'dev_messages',
      'idempotency_keys',
      'signing_keys',
    ])
      assert.ok((dumped.get(`public.${table}`) ?? dumped.get(table) ?? '').length > 0, `${table} has rows, or nothing is proven`);
    assert.ok(secrets.size > 35, [...secrets.keys()].join());
    const found: string[] = [];
    for (const [name, secret] of secrets) for (const [table, text] of dumped) if (holds(text, secret)) found.push(`${name} in ${table}`);
    assert.deepEqual(
      found.filter((line) => !EXPECTED.has(line)),
      [],
    );
  });

  it('were in no row that was ever written, not even for a moment in the queue', async () => {
    const rows = await written();
    for (const table of [
      'graphile_worker._private_jobs',
      'public.one_time_codes',
      'public.journeys',
      'public.oidc_objects',
      'public.audit_events',
    ])
      assert.ok((rows.get(table) ?? '').length > 0, `${table} was written to, or nothing is proven`);
    const found: string[] = [];
    for (const [name, secret] of secrets) for (const [table, text] of rows) if (holds(text, secret)) found.push(`${name} in ${table}`);
    assert.deepEqual(
      found.filter((line) => !EXPECTED.has(line)),
      [],
    );
  });

  it('of keys stand in tables only sealed', async () => {
    const text = [...(await dump()).values()].join('\n');
    assert.doesNotMatch(text, /"d"\s*:|PRIVATE KEY|"(dp|dq|qi)"\s*:/);
    const { keys } = (await (await fetch(`${app.issuer}/jwks`)).json()) as { keys: Record<string, unknown>[] };
    assert.ok(keys.length >= 3);
  });

  it('are in no line of the log, at the most talkative level', () => {
    const log = app.log();
    assert.ok(log.split('\n').length > 50);
    const found = [...secrets].filter(([, secret]) => holds(log, secret)).map(([name]) => name);
    assert.deepEqual(found, []);
    assert.doesNotMatch(log, /PRIVATE KEY|\$argon2id\$|[?&](code|state|token)=|"d":"/);
    assert.doesNotMatch(log, /ada\.app@example\.test|new@example\.test/, 'nor who it was');
  });
});

/** State and nonce come from the application, are no secrets of ours, and have to be repeated to it. */
const EXPECTED: ReadonlySet<string> = new Set(['a nonce in public.oidc_objects', 'a state in public.oidc_objects']);
