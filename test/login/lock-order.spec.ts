/** Whoever writes anything of a person's takes the person first, as whoever ends their access does: nobody waits for each other in a circle. */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import type { Page } from '#test/support/browser.ts';
import { type HalfWay, type HalfWayPerson, isIn, startHalfWay } from '#test/support/half-way.ts';
import { submit } from '#test/support/person.ts';
import type { Landing } from '#test/support/upstream-site.ts';

const NEXT = 'amber lantern walrus piano';
/** Goes as far as it can; answers the last step, which answers what came of it. */
type Prepare = (person: HalfWayPerson) => Promise<() => Promise<unknown>>;

describe('the order of locks on what is of one person', function () {
  this.timeout(60_000);
  let w: HalfWay;
  let holder: pg.Client;

  before(async () => {
    w = await startHalfWay();
    holder = new pg.Client({ connectionString: w.site.app.databaseUrl });
    await holder.connect();
  });
  after(async () => {
    await holder?.end();
    await w?.close();
  });

  const waiting = async (): Promise<number> => {
    const text = `select count(distinct pid)::integer as n from pg_locks l join pg_stat_activity a using (pid)
      where not l.granted and a.datname = current_database()`;
    return (await w.site.app.owner.query<{ n: number }>(text)).rows[0]!.n;
  };
  const until = async (what: string, is: () => Promise<boolean>): Promise<void> => {
    for (let left = 200; left > 0; left -= 1) {
      if (await is()) return;
      await sleep(25);
    }
    assert.fail(`never: ${what}`);
  };
  const enter = (person: HalfWayPerson): Promise<Page> => w.enter(person.browser);
  const newest = async (purpose: string, { id }: HalfWayPerson): Promise<string | undefined> =>
    (
      await w.site.app.owner.query<{ id: string }>(
        'select id from one_time_codes where user_id = $1 and purpose = $2 order by created_at desc limit 1',
        [id, purpose],
      )
    ).rows[0]?.id;
  /** Once more what was done before, whose code it is to replace. */
  const again =
    (purpose: string, ask: (person: HalfWayPerson) => Promise<() => Promise<unknown>>): Prepare =>
    async (person) => {
      const act = await ask(person);
      await act();
      await until('a first code', async () => (await newest(purpose, person)) !== undefined);
      const before = await newest(purpose, person);
      return async () => {
        await act();
        await until('another code', async () => ![before, undefined].includes(await newest(purpose, person)));
      };
    };
  const ok = (answer: { status: number; text: string }, status = 200): void => assert.equal(answer.status, status, answer.text);
  const isThrough = (landed: Landing): void => assert.ok(isIn(landed), landed.page?.text);

  const actions: Record<string, Prepare> = {
    'another code to sign in with': again(
      'sign-in',
      async ({ login }) =>
        async () =>
          ok(await w.door('otp', { channel: 'email', to: login }), 202),
    ),
    'another code for a new address': again('change-email', async (person) => {
      const page = await w.atAccount(person, '/account/email');
      return async () => void (await submit(person.browser, page, { email: `moved${person.n}@example.test` }));
    }),
    'a reset': async ({ login }) => {
      const { body } = await w.door('password/reset', { email: login });
      const code = await w.codeTo(login);
      return async () => ok(await w.door('password/reset/complete', { resetToken: body['resetToken'], code, password: NEXT }));
    },
    'an address that is proven': async (person) => {
      await w.settings({ verifiedEmail: true });
      await w.site.app.owner.query('update users set email_verified_at = null where id = $1', [person.id]);
      const { page } = await submit(person.browser, await enter(person), { login: person.login, password: person.password });
      const code = await w.codeTo(person.login);
      await w.settings({ verifiedEmail: null });
      return async () => isThrough(await submit(person.browser, page!, { code }));
    },
    'a password that has to be changed': async (person) => {
      await w.site.app.owner.query(`update credentials set data = data || '{"mustChange": true}' where user_id = $1`, [person.id]);
      const { page } = await submit(person.browser, await enter(person), { login: person.login, password: person.password });
      return async () => isThrough(await submit(person.browser, page!, { new_password: NEXT }));
    },
    'a change of one’s own password': async (person) => {
      const page = await w.atAccount(person, '/account/password');
      return async () => {
        const done = await submit(person.browser, page, { password: person.password, new_password: NEXT });
        assert.doesNotMatch(done.page?.text ?? '', /role="alert"/);
      };
    },
    'a sign-in by password':
      async ({ login, password }) =>
      async () =>
        ok(await w.door('login', { username: login, password })),
  };

  const waitsEmptyHanded = async (prepare: Prepare): Promise<void> => {
    const person = await w.newPerson();
    const last = await prepare(person);

    await holder.query('begin');
    let done: Promise<unknown> = Promise.resolve();
    try {
      await holder.query('select 1 from users where id = $1 for update', [person.id]);
      done = last();
      done.catch(() => {});
      await until('it waits', async () => (await waiting()) > 0);
      // What ends access takes next; any of it that is held by who waits would be a deadlock.
      for (const table of [
        'known_devices',
        'journeys',
        'one_time_codes',
        'credentials',
        'password_history',
        'oidc_sessions',
        'oidc_grants',
      ])
        await holder.query(`select 1 from ${table} where user_id = $1 for update nowait`, [person.id]);
    } finally {
      await holder.query('rollback');
    }
    await done;
  };
  for (const [name, prepare] of Object.entries(actions))
    it(`${name} holds nothing of a person’s while it waits for the person, and goes on afterwards`, () => waitsEmptyHanded(prepare));

  const NAMES = ['a reset', 'an address that is proven', 'a password that has to be changed', 'a change of one’s own password'];
  it('lets each change of a password, and the proof of an address, meet a sign-in, new codes and a shut-out without a deadlock', async () => {
    const { app } = w.site;
    for (let round = 0; round < 5; round += 1)
      for (const name of NAMES) {
        const person = await w.newPerson();
        const last = await actions[name]!(person);
        const status = async (value: string): Promise<void> => {
          const answer = await app.api('PATCH', `/api/users/${person.id}`, { status: value });
          assert.ok(answer.status < 500, answer.text);
        };
        const below500 = async (answer: Promise<{ status: number; text: string }>): Promise<void> => {
          const { status: code, text } = await answer;
          assert.ok(code < 500, text);
        };
        await Promise.all([
          last().catch(() => {}),
          below500(w.door('login', { username: person.login, password: person.password })),
          ...Array.from({ length: 3 }, () => below500(w.door('otp', { channel: 'email', to: person.login }))),
          status('disabled').then(() => status('active')),
          below500(app.api('DELETE', `/api/users/${person.id}/sessions`)),
        ]);
        if (round % 2 === 1) await below500(app.api('DELETE', `/api/users/${person.id}`));
      }
    assert.equal(app.log().match(/40P01|deadlock/gi)?.length ?? 0, 0);
  });
  it('an agreement to terms holds nothing of a person’s while it waits for the person, and goes on afterwards', async () => {
    const made = await w.site.app.api('POST', '/api/notices', { kind: 'terms', label: '2026-11', url: 'https://terms.example.test/' });
    ok(made, 201);
    ok(await w.site.app.api('POST', `/api/notices/${String(made.body['id'])}/publish`));
    await waitsEmptyHanded(async (person) => {
      const { page } = await submit(person.browser, await enter(person), { login: person.login, password: person.password });
      return async () => isThrough(await submit(person.browser, page!, { agree_terms: String(made.body['id']) }));
    });
  });
});
