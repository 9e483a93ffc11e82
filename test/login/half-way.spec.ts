import assert from 'node:assert/strict';
import { basicAuth, type Reply, type RunningApp, startTestApp } from '#test/support/app.ts';
import type { Browser, Page } from '#test/support/browser.ts';
import { type Cast, setUpCast } from '#test/support/cast.ts';
import { authorization } from '#test/support/oidc.ts';
import { submit, visit } from '#test/support/person.ts';
import { signInDirect } from '#test/support/two-tenants.ts';

const PASSWORD = 'violet cactus thunder marble';
const NEXT = 'amber lantern walrus piano';

interface Person {
  id: string;
  login: string;
  password: string;
  /** For our API, from before. */
  token?: string;
}
type Landed = { location?: URL; page?: Page };
/** Goes as far as the flow can before its last step; answers the step. */
type Flow = (browser: Browser, person: Person) => Promise<() => Promise<Landed>>;

describe('a flow that is half way', function () {
  this.timeout(60_000);
  let app: RunningApp;
  let cast: Cast;
  let count = 0;

  before(async () => {
    app = await startTestApp();
    cast = await setUpCast(app);
  });
  after(() => app?.close());

  const settings = async (changes: object): Promise<void> => {
    const answer = await app.api('PATCH', `/api/tenants/${app.rootTenantId}`, { settings: changes });
    assert.equal(answer.status, 200, answer.text);
  };
  const change = async (id: string, body: object): Promise<void> => {
    const answer = await app.api('PATCH', `/api/users/${id}`, body);
    assert.equal(answer.status, 200, answer.text);
  };
  const enter = async (browser: Browser): Promise<Page> =>
    (await browser.go(authorization(cast.client.id, { scope: 'openid' }).path)).page!;
  const onwards = async (browser: Browser, { location, page }: Landed): Promise<Landed> =>
    page?.text.includes('name="decision" value="allow"') || page?.text.includes('value="allow"')
      ? submit(browser, page, { decision: 'allow' })
      : { ...(location ? { location } : {}), ...(page ? { page } : {}) };

  const messageTo = async (to: string, about: RegExp): Promise<string> => {
    for (let round = 0; round < 100; round += 1) {
      const all = (await (await fetch(`${app.issuer}/dev/mailbox.json`)).json()) as { to: string; text: string }[];
      const found = about.exec(all.find((message) => message.to === to)?.text ?? '')?.[1];
      if (found !== undefined) return found;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    return assert.fail(`nothing for ${to}`);
  };
  const codeTo = (phone: string): Promise<string> => messageTo(phone, /\b(\d{6})\b/);
  const linkFor = (login: string): Promise<string> => messageTo(login, /(http\S+\/link\?\S+)/);

  const flows: Record<string, Flow> = {
    'a code by mail that was asked for': async (browser, { login }) => {
      const { page } = await submit(browser, await enter(browser), { login, method: 'email-otp' });
      const code = await app.codeFor(login);
      return () => submit(browser, page!, { code });
    },
    'a link by mail that was asked for': async (browser, { login }) => {
      await settings({ methods: ['password', 'magic-link'] });
      await submit(browser, await enter(browser), { login, method: 'magic-link' });
      const link = await linkFor(login);
      return async () => {
        const { page: opened } = await browser.go(link);
        return opened?.text.includes('name="code"') ? submit(browser, opened, {}) : { page: opened! };
      };
    },
    'a code by text message that was asked for': async (browser, { id }) => {
      const phone = `+4930901820${10 + count}`;
      await app.owner.query('update users set phone = $2, phone_verified_at = now() where id = $1', [id, phone]);
      const { page } = await submit(browser, await enter(browser), { login: phone, method: 'sms-otp' });
      const code = await codeTo(phone);
      return () => submit(browser, page!, { code });
    },
    'a second factor that is asked for': async (browser, person) => {
      await settings({ secondFactor: 'required' });
      const { page } = await submit(browser, await enter(browser), { login: person.login, password: person.password });
      const asked = await submit(browser, page!, { method: 'email-otp' });
      const code = await app.codeFor(person.login);
      return () => submit(browser, asked.page!, { code });
    },
    'a password that has to be changed': async (browser, { id, login, password }) => {
      await app.owner.query(`update credentials set data = jsonb_set(data, '{mustChange}', 'true') where user_id = $1`, [id]);
      const { page } = await submit(browser, await enter(browser), { login, password });
      return () => submit(browser, page!, { new_password: NEXT });
    },
    'an address that has to be proven': async (browser, { id, login, password }) => {
      await settings({ verifiedEmail: true });
      await app.owner.query('update users set email_verified_at = null where id = $1', [id]);
      const { page } = await submit(browser, await enter(browser), { login, password });
      const code = await app.codeFor(login);
      return () => submit(browser, page!, { code });
    },
    'a reset whose code was sent': async (browser, { login }) => {
      const page = await enter(browser);
      const { page: asking } = await browser.go(`${page.url}/reset`);
      const sent = await submit(browser, asking!, { email: login });
      const code = await app.codeFor(login);
      return () => submit(browser, sent.page!, { code, new_password: NEXT });
    },
    'a sign-in that is over and not followed up': async (browser, { login, password }) => {
      const page = await enter(browser);
      const action = new URL(/<form[^>]*action="([^"]+)"/.exec(page.text)?.[1] ?? page.url, page.url).href;
      const csrf = /name="_csrf" value="([^"]+)"/.exec(page.text)?.[1] ?? '';
      const answer = await browser.post(action, { _csrf: csrf, login, password });
      assert.equal(answer.status, 303, await answer.text());
      return () => browser.go(answer.headers.get('location')!);
    },
  };
  const causes: Record<string, (person: Person) => Promise<unknown>> = {
    disabled: ({ id }) => change(id, { status: 'disabled' }),
    'disabled, and enabled again': async ({ id }) => {
      await change(id, { status: 'disabled' });
      await change(id, { status: 'active' });
    },
    deleted: async ({ id }) => assert.equal((await app.api('DELETE', `/api/users/${id}`)).status, 200),
    'everything ended': async ({ token }) => {
      const answer = await app.api('POST', '/api/sessions/logout', { all: true }, { authorization: `Bearer ${token}` });
      assert.equal(answer.status, 200, answer.text);
    },
  };
  const signedIn = async (browser: Browser): Promise<boolean> =>
    (await browser.go(authorization(cast.client.id, { scope: 'openid', prompt: 'none' }).path)).location?.searchParams.get('error') !==
    'login_required';

  afterEach(() => settings({ secondFactor: null, verifiedEmail: null, methods: null }));

  for (const [name, flow] of Object.entries(flows)) {
    const begin = async (): Promise<{ browser: Browser; person: Person; step: () => Promise<Landed> }> => {
      count += 1;
      const added = await cast.addPerson(`half${count}@example.test`, PASSWORD);
      const person = { ...added, token: String((await signInDirect(app, added)).body['access_token']) };
      const browser = app.browser();
      return { browser, person, step: await flow(browser, person) };
    };

    it(`is ended by disabling its person: ${name}`, async () => {
      const { browser, step } = await begin();
      const done = await onwards(browser, await step());
      assert.ok(done.location?.searchParams.has('code'), `to begin with it works: ${done.page?.url} ${done.page?.text}`);
      for (const [cause, act] of Object.entries(causes)) {
        const half = await begin();
        await act(half.person);
        await settings({ secondFactor: null, verifiedEmail: null });
        const landed = await onwards(half.browser, await half.step());
        assert.ok(!landed.location?.searchParams.has('code'), cause);
        assert.ok(!(await signedIn(half.browser)), cause);
        const { rows } = await app.owner.query(
          `select (select count(*) from oidc_sessions where user_id = $1)::int as sessions, (select count(*) from journeys where user_id = $1)::int as journeys,
            (select count(*) from one_time_codes where user_id = $1 and consumed_at is null)::int as codes, (select count(*) from known_devices where user_id = $1 and ($2::boolean or trusted_until is not null))::int as devices`,
          [half.person.id, cause !== 'everything ended'],
        );
        assert.deepEqual(rows[0], { sessions: 0, journeys: 0, codes: 0, devices: 0 }, cause);
      }
    });
  }

  it('loses API keys and devices with the access, and gets none of them back', async () => {
    count += 1;
    const person = await cast.addPerson(`half${count}@example.test`, PASSWORD);
    const browser = app.browser();
    const { path } = authorization(cast.client.id, { scope: 'openid', prompt: 'login consent' });
    assert.ok((await visit(browser, path, person)).location?.searchParams.has('code'));
    await app.owner.query(
      `insert into api_keys (id, tenant_id, name, prefix, key_hash, permissions, owner_user_id) values (gen_random_uuid(), $1, 'key', 'gh_', $2::text, '{}', $3)`,
      [app.rootTenantId, person.id, person.id],
    );
    const kept = async () =>
      (
        await app.owner.query(
          'select (select count(*) from api_keys where owner_user_id = $1)::int as keys, (select count(*) from known_devices where user_id = $1)::int as devices',
          [person.id],
        )
      ).rows[0];
    assert.deepEqual(await kept(), { keys: 1, devices: 1 });
    await causes['disabled, and enabled again']?.(person);
    assert.deepEqual(await kept(), { keys: 0, devices: 0 });
  });

  it('comes to nothing where access ends between its judgement and its session, at both doors', async () => {
    count += 1;
    const person = await cast.addPerson(`half${count}@example.test`, PASSWORD);
    const made = await app.api('POST', '/api/clients', {
      client_name: 'Direct',
      redirect_uris: [],
      response_types: [],
      grant_types: [],
      direct_login: true,
    });
    assert.equal(made.status, 201, made.text);
    const client = { id: String(made.body['client_id']), secret: String(made.body['client_secret']) };
    const direct = () => app.api('POST', '/api/auth/login', { username: person.login, password: PASSWORD }, basicAuth(client));
    /** The login is judged while this holds the person, and written down after it has let go. */
    async function meanwhile(statement: string): Promise<Reply>;
    async function meanwhile<T>(statement: string, act: () => Promise<T>): Promise<T>;
    async function meanwhile(statement: string, act: () => Promise<unknown> = direct): Promise<unknown> {
      const holder = await app.owner.connect();
      try {
        await holder.query('begin');
        await holder.query(statement, [person.id]);
        const answer = act();
        for (let round = 0; round < 200; round += 1) {
          const { rowCount } = await app.owner.query(
            `select 1 from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`,
          );
          if (rowCount) break;
          await new Promise((resolve) => setTimeout(resolve, 20));
        }
        await holder.query('commit');
        return await answer;
      } finally {
        holder.release();
      }
    }
    const sessions = async () => (await app.owner.query('select 1 from oidc_sessions where user_id = $1', [person.id])).rowCount;
    const refused = await meanwhile('update users set access_epoch = access_epoch + 1 where id = $1');
    assert.ok(refused.status === 400 || refused.status === 401, `${refused.status} ${refused.text}`);
    assert.equal(refused.body['access_token'], undefined);
    assert.equal(await sessions(), 0);
    const typed = app.browser();
    const page = await enter(typed);
    const late = await meanwhile('update users set access_epoch = access_epoch + 1 where id = $1', () =>
      submit(typed, page, { login: person.login, password: PASSWORD }),
    );
    assert.ok(!(await onwards(typed, late)).location?.searchParams.has('code'), 'at the pages too');
    assert.ok(!(await signedIn(typed)));
    assert.equal(await sessions(), 0);
    const waited = await meanwhile('update users set updated_at = updated_at where id = $1');
    assert.equal(waited.status, 200, waited.text);
    assert.equal(await sessions(), 1);

    const browser = app.browser();
    const step = await flows['a sign-in that is over and not followed up']!(browser, person);
    await app.owner.query('update users set access_epoch = access_epoch + 1 where id = $1', [person.id]);
    const landed = await step();
    assert.ok(!landed.location?.searchParams.has('code'));
    assert.ok(!(await signedIn(browser)));
    assert.equal(await sessions(), 1, 'the one from before');
  });
});
