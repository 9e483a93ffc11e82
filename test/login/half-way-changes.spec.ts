/** Changes that take two steps, and accounts that are being made: what ends access ends each of them half way. */
import assert from 'node:assert/strict';
import { generate } from 'otplib';
import type { Page } from '#test/support/browser.ts';
import { type Flow, type HalfWay, isIn, secretOn, startHalfWay } from '#test/support/half-way.ts';
import { submit } from '#test/support/person.ts';
import { type Landing, PASSWORD } from '#test/support/upstream-site.ts';
import { type CreationOptions, createPasskey } from '#test/support/webauthn.ts';

const HAS_TOTP = `select 1 from credentials where user_id = $1 and type = 'totp'`;

describe('a change that is half way', function () {
  this.timeout(60_000);
  let w: HalfWay;

  before(async () => {
    w = await startHalfWay();
  });
  after(() => w?.close());

  const flows: Record<string, Flow> = {
    'an authenticator app that is set up at the account page': {
      async begin(person) {
        const page = await w.atAccount(person, '/account/security/totp');
        const secret = secretOn(page);
        return async () => {
          await submit(person.browser, page, { code: await generate({ secret }), name: '' });
          return w.has(HAS_TOTP, person);
        };
      },
    },
    'an authenticator app that is set up by the API': {
      async begin(person) {
        const call = await w.me(person);
        const { body } = await call('factors/totp/start');
        return async () => {
          await call('factors/totp/finish', {
            enrolment: body['enrolment'],
            code: await generate({ secret: String(body['secret']).replaceAll(' ', '') }),
          });
          return w.has(HAS_TOTP, person);
        };
      },
    },
    'a passkey that is registered by the API': {
      async begin(person) {
        const call = await w.me(person);
        const { body } = await call('factors/passkey/start');
        const { credential } = createPasskey(body['options'] as CreationOptions, w.site.app.issuer);
        return async () => {
          await call('factors/passkey/finish', { enrolment: body['enrolment'], credential });
          return w.has(`select 1 from credentials where user_id = $1 and type = 'passkey'`, person);
        };
      },
    },
    ...Object.fromEntries(
      (['email', 'phone'] as const).flatMap((kind): [string, Flow][] => {
        const newValue = (n: number): string => (kind === 'email' ? `new${n}@example.test` : `+4930901820${100 + n}`);
        const CHANGED = `select 1 from users where id = $1 and (email like 'new%' or phone is not null)`;
        return [
          [
            `a new ${kind} that is proven at the account page`,
            {
              async begin(person) {
                const { browser } = person;
                const value = newValue(person.n);
                const { page } = await submit(browser, await w.atAccount(person, `/account/${kind}`), { [kind]: value });
                const code = await w.codeTo(value);
                return async () => {
                  await submit(browser, page!, { code });
                  return w.has(CHANGED, person);
                };
              },
            },
          ],
          [
            `a new ${kind} that is proven by the API`,
            {
              async begin(person) {
                const value = newValue(person.n);
                const call = await w.me(person);
                const begun = await call(kind, { [kind]: value });
                assert.equal(begun.status, 202, begun.text);
                const code = await w.codeTo(value);
                return async () => {
                  await call(`${kind}/verify`, { changeToken: begun.body['changeToken'], code });
                  return w.has(CHANGED, person);
                };
              },
            },
          ],
        ];
      }),
    ),
    'an invitation that is to be accepted': {
      async begin(person) {
        const made = await w.site.app.api('POST', `/api/tenants/${w.tenancy.one.id}/invitations`, { email: person.login });
        assert.equal(made.status, 201, made.text);
        const page = await w.atAccount(person, await w.messageTo(person.login, /(\S+\/account\/invitations\/[\w-]+)/));
        return async () => {
          await submit(person.browser, page, { decision: 'allow' });
          return w.has(`select 1 from memberships_of($1) where tenant_id = '${w.tenancy.one.id}'`, person);
        };
      },
    },
  };

  for (const [name, flow] of Object.entries(flows)) {
    const but = flow.provenAfterwards === undefined ? '' : `; else ${flow.provenAfterwards}`;
    it(`is ended by disabling or deleting its person, or ending all access: ${name}${but}`, () => w.tryAll(flow));
  }

  const hrefTo = (page: Page | undefined, part: string): string =>
    (new RegExp(`href="([^"]*${part}[^"]*)"`).exec(page?.text ?? '')?.[1] ?? assert.fail(page?.text)).replaceAll('&amp;', '&');
  /** At the page that an invitation leads to, else at the one of the application. */
  const asksForAccount = async (email: string, link?: string): Promise<() => Promise<Landing>> => {
    const browser = w.site.app.browser();
    const from = link === undefined ? await w.enter(browser) : (await browser.go(link)).page;
    const { page } = await browser.go(new URL(hrefTo(from, 'register'), from?.url).href);
    const sent = await submit(browser, page!, { email, given_name: 'N', family_name: 'N', new_password: PASSWORD });
    const code = await w.messageTo(email, /^\s*(\d{6})\s*$/m);
    return () => submit(browser, sent.page!, { code });
  };

  it('a registration makes no second account where somebody got the address meanwhile, and lets nobody into that one', async () => {
    const alone = await asksForAccount('alone@example.test');
    assert.ok(isIn(await alone()), 'to begin with it works');
    const step = await asksForAccount('claimed@example.test');
    const id = await w.site.addPerson({ email: 'claimed@example.test', emailVerified: true });
    assert.ok(!isIn(await step()));
    const { rows } = await w.site.app.owner.query(`select id from users where email_key = 'claimed@example.test'`);
    assert.deepEqual(rows, [{ id }]);
  });

  it('a registration is over once the tenant takes no more', async () => {
    const step = await asksForAccount('late@example.test');
    await w.settings({ signUp: 'closed' });
    const { page } = await step();
    assert.equal(page?.status, 403);
    const { rows } = await w.site.app.owner.query(
      `select (select count(*) from users where email_key = 'late@example.test')::int as people,
        (select count(*) from audit_events where type = 'registration.refused' and reason = 'registration.closed')::int as refused`,
    );
    assert.deepEqual(rows, [{ people: 0, refused: 1 }]);
    await w.settings({ signUp: null });
  });

  it('a registration that an invitation allowed is over once the invitation is withdrawn', async () => {
    await w.settings({ signUp: 'invitation' });
    for (const withdrawn of [false, true]) {
      const email = `invited.${withdrawn}@example.test`;
      const path = `/api/tenants/${w.tenancy.one.id}/invitations`;
      const made = await w.site.app.api('POST', path, { email });
      assert.equal(made.status, 201, made.text);
      const step = await asksForAccount(email, await w.messageTo(email, /(\S+\/account\/invitations\/[\w-]+)/));
      if (withdrawn) assert.equal((await w.site.app.api('DELETE', `${path}/${made.body['id']}`)).status, 200);
      await step();
      const { rowCount } = await w.site.app.owner.query('select 1 from users where email_key = $1', [email]);
      assert.equal(rowCount, withdrawn ? 0 : 1);
    }
    await w.settings({ signUp: null });
  });
});
