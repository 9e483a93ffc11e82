import assert from 'node:assert/strict';
import { AUTH_EVENT_TYPES } from '#src/features/auth-log/types.ts';
import { type RunningApp, startTestApp } from '#test/support/app.ts';
import type { Browser, Page } from '#test/support/browser.ts';
import { type Cast, setUpCast } from '#test/support/cast.ts';
import { authorization } from '#test/support/oidc.ts';
import { submit } from '#test/support/person.ts';

const PASSWORD = 'violet cactus thunder marble';
const NEW_PASSWORD = 'a passphrase that is another';

/** What is recorded beside authentications: administration, tokens, and steps of the protocol. */
const OTHERS =
  /^(token\.|authorization\.|interaction\.|consent\.|request\.|permission\.|(user|client|resource|tenant|membership|role|group|administrator|signing_keys?)\.)/;

describe('the types of authentication events', () => {
  let app: RunningApp;
  let cast: Cast;

  before(async function () {
    this.timeout(60_000);
    app = await startTestApp();
    cast = await setUpCast(app);
  });
  after(() => app?.close());

  const below = async (path = ''): Promise<{ browser: Browser; page: Page }> => {
    const browser = app.browser();
    const { page } = await browser.go(authorization(cast.client.id, { scope: 'openid' }).path);
    return { browser, page: path === '' ? page! : (await browser.go(`${page!.url}${path}`)).page! };
  };

  it('are all that signing in, registering, forgetting and signing out records', async function () {
    this.timeout(60_000);
    const { login } = cast.person;

    const register = await below('/register');
    const email = 'newcomer@example.test';
    const asked = await submit(register.browser, register.page, { email, given_name: 'N', family_name: 'N', new_password: PASSWORD });
    const code = await app.codeFor(email);
    const wrong = await submit(register.browser, asked.page!, { code: code === '000000' ? '000001' : '000000' });
    await submit(register.browser, wrong.page!, { code });

    const reset = await below('/reset');
    const sent = await submit(reset.browser, reset.page, { email: login });
    const resetCode = await app.codeFor(login);
    const missed = await submit(reset.browser, sent.page!, {
      code: resetCode === '000000' ? '000001' : '000000',
      new_password: NEW_PASSWORD,
    });
    await submit(reset.browser, missed.page!, { code: resetCode, new_password: NEW_PASSWORD });

    const entry = await below();
    const again = await submit(entry.browser, entry.page, { login, password: 'wrong' });
    assert.match(again.page!.text, /not right/);

    const account = app.browser();
    const { page } = await account.go('/account');
    await submit(account, page!, { login, password: NEW_PASSWORD });
    const change = (await account.go('/account/password')).page!;
    await submit(account, change, { password: 'wrong', new_password: PASSWORD });
    await submit(account, (await account.go('/account/password')).page!, { password: NEW_PASSWORD, new_password: PASSWORD });
    await submit(account, (await account.go('/account/sign-out')).page!, {});

    assert.equal((await app.token({ grant_type: 'client_credentials' }, { id: cast.client.id, secret: 'wrong' })).status, 401);

    const { rows } = await app.owner.query<{ type: string }>('select distinct type from audit_events order by type');
    const found = rows.map(({ type }) => type);
    const known: readonly string[] = AUTH_EVENT_TYPES;
    assert.deepEqual(
      found.filter((type) => !known.includes(type) && !OTHERS.test(type)),
      [],
      'a type that nobody has filed',
    );
    const walked = AUTH_EVENT_TYPES.filter((type) => found.includes(type));
    assert.deepEqual(
      AUTH_EVENT_TYPES.filter((type) => !walked.includes(type)),
      [
        'email.verified',
        'email.refused',
        'code.refused',
        'account.locked',
        'alert.login_failures',
        'device.new',
        'identity.linked',
        'identity.unlinked',
        'identity.refused',
        'upstream_logout.received',
        'upstream_logout.refused',
        'upstream_logout.sent',
        'session.refused',
        'access.ended',
      ],
      'all others were walked through',
    );
    const listed = await app.api('GET', '/api/logs/auth?limit=200');
    const shown = new Set((listed.body['items'] as { type: string }[]).map(({ type }) => type));
    assert.deepEqual([...shown].sort(), [...walked].sort());
    const failed = await app.api('GET', `/api/logs/auth/failed?userId=${cast.person.id}`);
    const [newest] = failed.body['items'] as Record<string, unknown>[];
    assert.deepEqual([newest?.['type'], newest?.['reason'], newest?.['method']], ['login.refused', 'password.wrong', 'password']);
    assert.match(String(newest?.['address']), /^11\./);
  });
});
