import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { PASSWORD, randomAddress, type TestPerson } from './harness.ts';
import { CALLBACK, type Site, startSite, type Visitor } from './site.ts';

const ROUNDS = 6;
/** As many as may try one account before the first of them turned out to be right. */
const AT_ONCE = 10;

describe('one person at the same instant', () => {
  let site: Site;
  before(async () => {
    site = await startSite();
    await site.addClient('app', { directLogin: true });
    // Whoever writes takes its time over it, so that the others wait for the person's row together.
    const owner = new pg.Client({ connectionString: site.database.url });
    await owner.connect();
    await owner.query(`create function take_time() returns trigger language plpgsql as $$ begin perform pg_sleep(0.02); return new; end $$;
      create trigger slow before insert on audit_events for each row when (new.type = 'login.succeeded') execute function take_time()`);
    await owner.end();
  });
  after(() => site.close());

  const direct = async (username: string, password = PASSWORD): Promise<number> => {
    const response = await fetch(`${site.url}/api/auth/login`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-forwarded-for': randomAddress() },
      body: JSON.stringify({ client_id: 'app', username, password }),
    });
    await response.arrayBuffer();
    return response.status;
  };
  const times = <T>(count: number, act: () => Promise<T>): Promise<T[]> => Promise.all(Array.from({ length: count }, act));
  const atTheForm = async (): Promise<Visitor> => {
    const visitor = site.visitor();
    await visitor.signIn('app');
    return visitor;
  };
  const press = async (visitor: Visitor, login: string, password = PASSWORD): Promise<boolean> => {
    const { location } = await visitor.submit({ login, password });
    return location?.href.startsWith(CALLBACK) === true && location.searchParams.has('code');
  };

  it('signs in by the API, every time', async () => {
    const person = await site.addPerson({ password: PASSWORD });
    for (let round = 0; round < ROUNDS; round += 1) {
      const statuses = await times(AT_ONCE, () => direct(person.email));
      assert.deepEqual(statuses, Array<number>(AT_ONCE).fill(200), `round ${round}`);
    }
    const events = (await site.events('login.succeeded')).filter(({ target_id: id }) => id === person.id);
    assert.equal(events.length, ROUNDS * AT_ONCE);
  });

  it('is held by the limit alone where more come than may try, and never finds the server away', async () => {
    const person = await site.addPerson({ password: PASSWORD });
    for (let round = 0; round < ROUNDS; round += 1) {
      const statuses = await times(16, () => direct(person.email));
      assert.deepEqual(
        [...new Set(statuses)].filter((status) => status !== 200 && status !== 429),
        [],
        `round ${round}`,
      );
      assert.ok(statuses.filter((status) => status === 200).length >= AT_ONCE, `round ${round}: ${statuses}`);
    }
  });

  it('signs in by six browsers, and by browsers and the API together', async () => {
    const person = await site.addPerson({ password: PASSWORD });
    for (const others of [0, 4, 4]) {
      const visitors = await times(6, atTheForm);
      const [pages, statuses] = await Promise.all([
        Promise.all(visitors.map((visitor) => press(visitor, person.email))),
        times(others, () => direct(person.username)),
      ]);
      assert.deepEqual([pages, statuses], [Array<boolean>(6).fill(true), Array<number>(others).fill(200)]);
    }
  });
});

describe('the time of a person’s last sign-in', () => {
  let site: Site;
  before(async () => {
    site = await startSite();
    await site.addClient('app', { directLogin: true });
  });
  after(() => site.close());

  const byPages = async (login: string, password: string): Promise<void> => {
    const visitor = site.visitor();
    await visitor.signIn('app');
    await visitor.submit({ login, password });
  };
  const byApi = async (username: string, password: string): Promise<void> => {
    const body = JSON.stringify({ client_id: 'app', username, password });
    const headers = { 'content-type': 'application/json', 'x-forwarded-for': randomAddress() };
    await (await fetch(`${site.url}/api/auth/login`, { method: 'POST', headers, body })).arrayBuffer();
  };
  const last = async ({ id }: TestPerson): Promise<number | undefined> => {
    const statement = { name: 'test-last-login', text: 'select last_login_at as at from users where id = $1' };
    const [row] = await site.db.query<{ at: Date | null }>(statement, [id]);
    return row?.at?.getTime();
  };

  for (const [door, attempt] of [
    ['the pages', byPages],
    ['the API', byApi],
  ] as const) {
    it(`is that of a sign-in by ${door}, and of nothing that was refused or is not over`, async () => {
      const person = await site.addPerson({ password: PASSWORD });
      await attempt(person.email, 'a wrong password');
      await attempt(person.email, '');
      assert.equal(await last(person), undefined);
      await attempt(person.email, PASSWORD);
      const first = await last(person);
      assert.ok(first !== undefined);
      await sleep(5);
      await attempt(person.email, 'a wrong password');
      assert.equal(await last(person), first);
      for (let round = 0; round < 10; round += 1) await attempt(person.email, 'a wrong password');
      await attempt(person.email, PASSWORD);
      assert.equal(await last(person), first, 'a right password that the limit held');
      await site.db.query({ name: 'test-limits', text: 'delete from rate_limits' }, []);
      await attempt(person.email, PASSWORD);
      assert.ok((await last(person))! > first);
      for (const options of [{ mustChange: true }, { status: 'disabled' }] as const) {
        const other = await site.addPerson({ password: PASSWORD, ...options });
        await attempt(other.email, PASSWORD);
        assert.equal(await last(other), undefined, JSON.stringify(options));
      }
    });
  }
});
