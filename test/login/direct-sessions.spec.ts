/** What follows a sign-in by an app: its refresh token, and the end of its session, against what makes them worth nothing. */
import assert from 'node:assert/strict';
import { basicAuth, newAddress, type Reply } from '#test/support/app.ts';
import { type HalfWay, type HalfWayPerson, startHalfWay } from '#test/support/half-way.ts';
import { giveRole } from '#test/support/roles.ts';
import type { App } from '#test/support/tenancy.ts';
import { hostileBodies, said } from '../contract/direct-method.ts';

const PASSWORD = 'violet cactus thunder marble';
const INACTIVE = '401 session.inactive';

describe('what follows a sign-in by an app', function () {
  this.timeout(60_000);
  let w: HalfWay;
  let mine: App;
  let theirs: App;

  before(async () => {
    w = await startHalfWay();
    mine = await w.tenancy.addClient(w.site.app.rootTenantId, { direct_login: true });
    theirs = await w.tenancy.addClient(w.site.app.rootTenantId, { direct_login: true });
  });
  after(() => w?.close());

  const call = (path: string, body: unknown, client = mine): Promise<Reply> =>
    w.site.app.api('POST', `/api/${path}`, body, {
      ...basicAuth(client),
      'x-forwarded-for': newAddress(),
      'content-type': 'application/json',
    });
  const signIn = async ({ login }: HalfWayPerson, client = mine): Promise<{ refresh: string; access: string }> => {
    const answer = await call('auth/login', { username: login, password: PASSWORD }, client);
    assert.equal(answer.status, 200, answer.text);
    return { refresh: String(answer.body['refresh_token']), access: String(answer.body['access_token']) };
  };
  const refresh = (token: string, client = mine): Promise<Reply> => call('sessions/refresh', { refresh_token: token }, client);
  const isLive = async (token: string, client = mine): Promise<boolean> =>
    (await call('sessions/validate', { token }, client)).status === 200;

  it('of twenty refreshes at once all get the same successor, and it is good', async () => {
    const { refresh: token } = await signIn(await w.newPerson());
    const answers = await Promise.all(Array.from({ length: 20 }, () => refresh(token)));
    const next = new Set(answers.filter(({ status }) => status === 200).map(({ body }) => String(body['refresh_token'])));
    assert.equal(next.size, 1, answers.map(said).join());
    for (const answer of answers) assert.ok([200, 401].includes(answer.status), answer.text);
    const again = await refresh([...next][0]!);
    assert.equal(again.status, 200, again.text);
    assert.ok(await isLive(String(again.body['access_token'])));
  });

  it('a refresh token is worth nothing to another client, wrong, shortened or lengthened', async () => {
    const { refresh: token } = await signIn(await w.newPerson());
    for (const [what, odd, client] of [
      ['another client', token, theirs],
      ['made up', 'x'.repeat(43), mine],
      ['shortened', token.slice(0, -1), mine],
      ['lengthened', `${token}A`, mine],
      ['empty', '', mine],
    ] as const) {
      const answer = await refresh(odd, client);
      assert.ok([401, 422, 400].includes(answer.status), `${what}: ${answer.text}`);
      assert.equal(answer.body['access_token'], undefined, what);
    }
  });

  it('both end with the session, with the person, and with the tenant of the client', async () => {
    const one = await w.newPerson();
    const ended = await signIn(one);
    const out = await call('sessions/logout', { token: ended.access });
    assert.equal(out.status, 200, out.text);
    assert.equal(said(await refresh(ended.refresh)), INACTIVE);
    assert.equal(await isLive(ended.access), false);

    const shut = await signIn(one);
    const disabled = await w.site.app.api('PATCH', `/api/users/${one.id}`, { status: 'disabled' });
    assert.equal(disabled.status, 200, disabled.text);
    assert.equal(said(await refresh(shut.refresh)), INACTIVE);
    assert.equal(await isLive(shut.access), false);

    const [tenant, other] = [await w.tenancy.addTenant('follows'), await w.newPerson()];
    const client = await w.tenancy.addClient(tenant.id, { direct_login: true });
    await giveRole(w.site.app.owner, tenant.id, other.id, 'none');
    const held = await signIn(other, client);
    assert.ok(await isLive(held.access, client));
    const suspended = await w.site.app.api('POST', `/api/tenants/${tenant.id}/suspend`, {});
    assert.equal(suspended.status, 200, suspended.text);
    assert.equal((await refresh(held.refresh, client)).status, 401);
    assert.equal(await isLive(held.access, client), false);
  });

  it('takes nothing that is no such request at any of their paths', async () => {
    const { refresh: token, access } = await signIn(await w.newPerson());
    for (const [path, right] of [
      ['sessions/refresh', { refresh_token: token }],
      ['sessions/validate', { token: access }],
      ['sessions/logout', { token: access }],
      ['auth/otp', { channel: 'email', to: 'somebody@example.test' }],
      ['auth/passkey/options', { mfaToken: 'x' }],
      ['auth/register', { email: 'somebody@example.test', password: PASSWORD }],
      ['auth/password/reset', { email: 'somebody@example.test' }],
    ] as const)
      for (const [what, body] of hostileBodies({ right })) {
        const answer = await call(path, body);
        assert.ok([400, 413, 422].includes(answer.status), `${path}, ${what}: ${answer.status} ${answer.text}`);
        for (const name of ['access_token', 'refresh_token', 'registrationToken', 'resetToken', 'passkeyToken'])
          assert.equal(answer.body[name], undefined, `${path}, ${what}`);
      }
    assert.ok(await isLive(access), 'and the session goes on');
  });

  it('sends a code by no channel that there is none of', async () => {
    const { login } = await w.newPerson();
    const sent = async (): Promise<number> =>
      ((await (await fetch(`${w.site.app.issuer}/dev/mailbox.json`)).json()) as { to: string }[]).filter(({ to }) => to === login).length;
    for (const channel of ['', 'Email', 'email ', 'pigeon', '__proto__', 'constructor']) {
      const answer = await call('auth/otp', { channel, to: login });
      assert.equal(answer.status, 422, `${channel}: ${answer.text}`);
      assert.deepEqual(
        (answer.body['errors'] as { pointer: string }[]).map(({ pointer }) => pointer),
        ['/channel'],
      );
    }
    assert.equal((await call('auth/otp', { channel: 'email', to: login })).status, 202);
    await w.codeTo(login);
    assert.equal(await sent(), 1, 'and by one that there is, one');
  });
});
