/** People whose password's hash another system made: they sign in as if it were ours, and from then on it is. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import argon2 from 'argon2';
import { parseImportedHash } from '#src/infra/imported-hash.ts';
import type { LoginMethod } from '#src/login/method.ts';
import { type RunningApp, startTestApp } from '#test/support/app.ts';
import { browserDoor } from '../contract/login-method.ts';
import { createHarness, type Harness, type TestPerson } from './harness.ts';

const PASSWORD = 'correct horse battery staple';
const OTHER = 'marble thunder cactus violet 9';
const BCRYPT = '$2y$10$UvDuJBUhlbU9h1m3AkaY.Ot5niBDiW1P.9ztkmWNEkZppm4xoD0Iy';
const SCRYPT = '$scrypt$ln=14,r=8,p=1$AAECAwQFBgcICQoLDA0ODw$11kKyiyYAc8G7rp3KmncMc44YlkdllIqxOa7pq0fMaU';
const KEYCLOAK = {
  type: 'password',
  secretData: JSON.stringify({
    value: 'Ca/W1uHPdOF53bPWSQyrHQQPdk6KOe20VTbaw0U+WWswH2gciKNBqwk+H7RPgAmCshFAhVRLSSar72bo1/g8dA==',
    salt: 'AAECAwQFBgcICQoLDA0ODw==',
    additionalParameters: {},
  }),
  credentialData: JSON.stringify({ hashIterations: 27_500, algorithm: 'pbkdf2-sha256', additionalParameters: {} }),
};
const OURS = /^\$argon2id\$v=19\$m=19456,(p=1,t=2|t=2,p=1)\$/;

describe('a password from another system, at sign-in', function () {
  this.timeout(60_000);
  let h: Harness;
  /** What comes between the judging of a proof and its being written down. */
  let between: () => Promise<unknown> = async () => undefined;

  before(async () => {
    h = await createHarness();
    const [password] = h.methods as [LoginMethod];
    const { verify } = password;
    password.verify = async (context, input) => {
      const verdict = await verify(context, input);
      await between();
      return verdict;
    };
  });
  after(() => h?.close());
  afterEach(() => {
    between = async () => undefined;
  });

  const stored = async (id: string): Promise<{ hash: string; version: number; setAt: string; mustChange: boolean }> => {
    const text = `select version, data->>'hash' as hash, data->>'setAt' as "setAt", (data->>'mustChange')::boolean as "mustChange" from credentials where user_id = $1`;
    const rows = await h.db.query<{ hash: string; version: number; setAt: string; mustChange: boolean }>({ name: 'test-stored', text }, [
      id,
    ]);
    assert.equal(rows.length, 1);
    return rows[0]!;
  };
  const imported = async (hash: string | object): Promise<TestPerson> => {
    const person = await h.addPerson({ password: OTHER });
    await keep(person, parseImportedHash(hash).phc);
    return person;
  };
  const keep = ({ id }: TestPerson, hash: string): Promise<unknown> =>
    h.db.query(
      {
        name: 'test-keep',
        text: `update credentials set version = version + 1, data = data || jsonb_build_object('hash', $2::text) where user_id = $1`,
      },
      [id, hash],
    );
  const signIn = ({ email }: TestPerson, password = PASSWORD) =>
    browserDoor.attempt(h, h.stranger(), 'password', { login: email, password });

  for (const [name, hash] of Object.entries({ bcrypt: BCRYPT, scrypt: SCRYPT, 'PBKDF2 of Keycloak': KEYCLOAK })) {
    it(`lets in who knows it, and replaces ${name} by our own hash`, async () => {
      const person = await imported(hash);
      const before = await stored(person.id);
      assert.equal((await signIn(person, 'a wrong password')).ok, false);
      assert.deepEqual(await stored(person.id), before, 'a wrong password replaces nothing');
      assert.equal((await signIn(person)).ok, true);
      const after = await stored(person.id);
      assert.match(after.hash, OURS);
      assert.deepEqual([after.setAt, after.mustChange], [before.setAt, before.mustChange]);
      assert.equal((await signIn(person, 'a wrong password')).ok, false);
      assert.equal((await signIn(person)).ok, true);
      assert.deepEqual(await stored(person.id), after, 'one replacement is enough');
    });
  }

  it('replaces argon2id of weaker settings, and of stronger ones', async () => {
    for (const memoryCost of [8192, 32_768]) {
      const person = await imported(await argon2.hash(PASSWORD, { type: argon2.argon2id, memoryCost, timeCost: 2, parallelism: 1 }));
      assert.equal((await signIn(person)).ok, true);
      assert.match((await stored(person.id)).hash, OURS);
    }
  });

  it('replaces the 72 bytes that bcrypt counts by the whole password', async () => {
    const person = await imported('$2b$04$abcdefghijklmnopqrstuubzadhGtS2zEF.gu0yd0opP6cVzb.e0i');
    assert.equal((await signIn(person, 'x'.repeat(80))).ok, true);
    assert.equal((await signIn(person, 'x'.repeat(72))).ok, false);
    assert.equal((await signIn(person, 'x'.repeat(80))).ok, true);
  });

  it('knows a password that was hashed as it was typed, uncomposed', async () => {
    const typed = 'pa\u0308sswo\u0308rd of long ago';
    const hash = await argon2.hash(typed, { type: argon2.argon2id, memoryCost: 8192, timeCost: 2, parallelism: 1 });
    const person = await imported(hash);
    assert.equal((await signIn(person, typed)).ok, true);
    assert.equal((await signIn(person, typed.normalize('NFC'))).ok, true);
  });

  it('lets in all who come at once with the right password', async () => {
    const person = await imported(BCRYPT);
    const seen = (await h.events('login.succeeded')).length;
    let here = 0;
    let release = (): void => undefined;
    const all = new Promise<void>((resolve) => {
      release = resolve;
    });
    between = async () => {
      here += 1;
      if (here === 3) release();
      await all;
    };
    const answers = await Promise.all([signIn(person), signIn(person), signIn(person)]);
    assert.deepEqual(
      answers.map(({ ok }) => ok),
      [true, true, true],
    );
    assert.match((await stored(person.id)).hash, OURS);
    assert.equal((await h.events('login.succeeded')).length - seen, 3, 'one event each');
  });

  it('does not let in who knows the old password when it is changed meanwhile', async () => {
    const person = await imported(BCRYPT);
    const changed = await h.passwords.hash(OTHER);
    let once = false;
    between = async () => {
      if (!once) await keep(person, changed);
      once = true;
    };
    assert.equal((await signIn(person)).ok, false);
    assert.equal((await stored(person.id)).hash, changed, 'and the new password stays');
    assert.equal((await signIn(person, OTHER)).ok, true);
  });

  it('waits for a change that is under way, which locks the person first, and does not stand in its way', async () => {
    const person = await imported(BCRYPT);
    const changed = await h.passwords.hash(OTHER);
    const attempt = await h.db.transaction(
      async (sql) => {
        await sql.raw('select id from users where id = ? for no key update', [person.id]);
        const answer = signIn(person);
        for (let waiting = false, tries = 0; !waiting; tries += 1) {
          assert.ok(tries < 500, 'the sign-in does not wait');
          await delay(10);
          const { rows } = await sql.raw<{ rows: unknown[] }>(
            'select from pg_locks where not granted and pg_backend_pid() = any (pg_blocking_pids(pid))',
          );
          waiting = rows.length > 0;
        }
        await sql.raw(
          `update credentials set version = version + 1, data = data || jsonb_build_object('hash', ?::text) where user_id = ?`,
          [changed, person.id],
        );
        return { answer };
      },
      { tenantId: h.tenantId },
    );
    assert.equal((await attempt.answer).ok, false);
    assert.equal((await stored(person.id)).hash, changed);
  });
});

describe('a person with a hash from another system', function () {
  this.timeout(60_000);
  let app: RunningApp;
  before(async () => {
    app = await startTestApp();
  });
  after(() => app?.close());

  const hashOf = async (id: unknown): Promise<string> => {
    const { rows } = await app.owner.query<{ hash: string }>(`select data->>'hash' as hash from credentials where user_id = $1`, [id]);
    return rows[0]?.hash ?? '';
  };
  let client: Record<string, unknown> | undefined;
  const signIn = async (username: string, password: string): Promise<string> => {
    client ??= (await app.api('POST', '/api/clients', { client_name: 'App', redirect_uris: ['https://app.test/cb'], direct_login: true }))
      .body;
    const { client_id, client_secret } = client;
    const response = await fetch(`${app.issuer}/api/auth/login`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ client_id, client_secret, username, password }),
    });
    const { code = 'signed in' } = (await response.json()) as { code?: string };
    return `${response.status} ${code}`;
  };

  it('is created over the API, on the record, and signs in; the hash is shown nowhere', async () => {
    for (const [username, passwordHash] of Object.entries({ bcrypt: BCRYPT, keycloak: KEYCLOAK })) {
      const made = await app.api('POST', '/api/users', { username, passwordHash });
      assert.equal(made.status, 201, made.text);
      const { id } = made.body;
      const { rows } = await app.owner.query<{ type: string; reason: string | null }>(
        'select type, reason from audit_events where target_id = $1 order by type',
        [id],
      );
      assert.deepEqual(
        rows.map(({ type, reason }) => [type, reason]),
        [
          ['password.set', 'imported'],
          ['user.created', null],
        ],
      );
      const before = await hashOf(id);
      const shown =
        made.text + (await app.api('GET', `/api/users/${id}`)).text + (await app.api('GET', '/api/audit-events')).text + app.log();
      for (const secret of [before, before.split('$').at(-1)!, JSON.parse(KEYCLOAK.secretData).value]) assert.ok(!shown.includes(secret));
      assert.equal(await signIn(username, 'a wrong password'), '401 auth.invalid_credentials');
      assert.equal(await signIn(username, PASSWORD), '200 signed in');
      assert.match(await hashOf(id), OURS);
      assert.equal(await signIn(username, PASSWORD), '200 signed in');
    }
  });

  it('is taken from htpasswd as it is today', async function () {
    let line: string;
    try {
      line = execFileSync('htpasswd', ['-nbB', '-C', '6', 'today', PASSWORD], { encoding: 'utf8' });
    } catch {
      this.skip();
      return;
    }
    const made = await app.api('POST', '/api/users', { username: 'today', passwordHash: line.trim().slice('today:'.length) });
    assert.equal(made.status, 201, made.text);
    assert.equal(await signIn('today', PASSWORD), '200 signed in');
  });

  it('may be told to choose another password at the first sign-in', async () => {
    const made = await app.api('POST', '/api/users', { username: 'changing', passwordHash: BCRYPT, passwordMustChange: true });
    assert.equal(made.status, 201, made.text);
    const { rows } = await app.owner.query(`select data->'mustChange' as must from credentials where user_id = $1`, [made.body['id']]);
    assert.deepEqual(rows, [{ must: true }]);
  });

  it('is not created with a hash that is not understood, costs too much or comes with a password', async () => {
    const bodies: object[] = [
      { passwordHash: 'md5' },
      { passwordHash: BCRYPT.replace('$10$', '$31$') },
      { passwordHash: '$argon2id$v=19$m=9999999,t=1,p=1$AAECAwQFBgcICQoLDA0ODw$11kKyiyYAc8G7rp3KmncMc44YlkdllIqxOa7pq0fMaU' },
      { passwordHash: { algorithm: 'md5', hash: { value: 'd41d8cd98f00b204e9800998ecf8427e', encoding: 'hex' } } },
      { passwordHash: `$2y$${'x'.repeat(5000)}` },
      { passwordHash: { ...KEYCLOAK, more: 'x'.repeat(5000) } },
      { passwordHash: BCRYPT, password: PASSWORD },
    ];
    for (const body of bodies) {
      const answer = await app.api('POST', '/api/users', { username: 'nobody', ...body });
      assert.equal(`${answer.status} ${answer.body['code']}`, '422 input.invalid', JSON.stringify(body).slice(0, 100));
      const [error] = answer.body['errors'] as { pointer: string }[];
      assert.equal(error?.pointer, '/passwordHash');
    }
    assert.deepEqual((await app.owner.query(`select from users where username_key = 'nobody'`)).rowCount, 0);
  });
});
