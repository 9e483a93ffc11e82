/** The limits of the pages are those of the API: what one door used up is used up at the other. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { basicAuth, newAddress, type Reply } from '#test/support/app.ts';
import type { Browser, Page } from '#test/support/browser.ts';
import { type HalfWay, isIn, startHalfWay } from '#test/support/half-way.ts';
import { submit } from '#test/support/person.ts';
import type { App } from '#test/support/tenancy.ts';

const PASSWORD = 'violet cactus thunder marble';

describe('the limits of sign-in, at both doors', function () {
  this.timeout(60_000);
  let w: HalfWay;
  let app: App;

  before(async () => {
    w = await startHalfWay();
    app = await w.tenancy.addClient(w.site.app.rootTenantId, { direct_login: true });
  });
  beforeEach(() => w.site.app.owner.query('delete from rate_limits'));
  after(() => w?.close());

  const nobody = (): string => `nobody-${randomUUID()}@example.test`;
  const at = (address: string): Browser => w.site.app.browser({ 'x-forwarded-for': address });
  const post = (path: string, body: object, address = newAddress()): Promise<Reply> =>
    w.site.app.api('POST', `/api/auth/${path}`, body, { ...basicAuth(app), 'x-forwarded-for': address });
  const isHeld = ({ status, body, headers }: Reply): void => {
    assert.deepEqual([status, body['code']], [429, 'limit.exceeded']);
    assert.ok(Number(headers.get('retry-after')) > 0);
    assert.equal(body['retryAfterSeconds'], Number(headers.get('retry-after')));
  };
  const below = async (browser: Browser, path: string): Promise<Page> => {
    const entry = await w.enter(browser);
    return (await browser.go(`${entry.url}/${path}`)).page!;
  };

  /** How each thing is done at each door, by somebody at `address`; answers the status. */
  const doors = {
    pages: {
      login: async (address: string, login: string, password = 'wrong'): Promise<number> => {
        const browser = at(address);
        const landed = await submit(browser, await w.enter(browser), { login, password });
        return isIn(landed) ? 200 : (landed.page?.status ?? 0);
      },
      register: async (address: string, email: string): Promise<number> => {
        const browser = at(address);
        const form = { email, given_name: 'N', family_name: 'N', new_password: PASSWORD };
        return (await submit(browser, await below(browser, 'register'), form)).page!.status;
      },
      reset: async (address: string, email: string): Promise<number> => {
        const browser = at(address);
        return (await submit(browser, await below(browser, 'reset'), { email })).page!.status;
      },
      code: async (address: string, login: string): Promise<number> => {
        const browser = at(address);
        return (await submit(browser, await w.enter(browser), { login, password: '', method: 'email-otp' })).page!.status;
      },
    },
    app: {
      login: async (address: string, username: string, password = 'wrong') => (await post('login', { username, password }, address)).status,
      register: async (address: string, email: string) => (await post('register', { email, password: PASSWORD }, address)).status,
      reset: async (address: string, email: string) => (await post('password/reset', { email }, address)).status,
      code: async (address: string, to: string) => (await post('otp', { channel: 'email', to }, address)).status,
    },
  };

  for (const [one, other] of [
    ['pages', 'app'],
    ['app', 'pages'],
  ] as const) {
    const [used, held] = [doors[one], doors[other]];

    it(`thirty wrong passwords of an address at the ${one} hold it at the ${other}, with the right one too`, async () => {
      const [person, address] = [await w.newPerson(), newAddress()];
      for (let n = 0; n < 30; n += 1) assert.notEqual(await used.login(address, nobody()), 429);
      assert.equal(await held.login(address, person.login, PASSWORD), 429);
      assert.equal(await held.login(newAddress(), person.login, PASSWORD), 200, 'another address is not held');
    });

    it(`ten wrong passwords of an account at the ${one} hold it at the ${other}, from wherever`, async () => {
      const person = await w.newPerson();
      for (let n = 0; n < 10; n += 1) assert.notEqual(await used.login(newAddress(), person.login), 429);
      assert.equal(await held.login(newAddress(), person.login, PASSWORD), 429);
      assert.equal(await held.login(newAddress(), (await w.newPerson()).login, PASSWORD), 200, 'another account is not held');
    });

    for (const what of ['register', 'reset', 'code'] as const)
      it(`twenty of an address at the ${one} (${what}) hold it at the ${other}`, async () => {
        const address = newAddress();
        for (let n = 0; n < 20; n += 1) assert.ok((await used[what](address, nobody())) < 400, String(n));
        assert.equal(await held[what](address, nobody()), 429);
        assert.ok((await held[what](newAddress(), nobody())) < 400, 'another address is not held');
      });

    it(`five codes to one mailbox that were asked for at the ${one} are all that the ${other} sends, known or not`, async () => {
      for (const to of [(await w.newPerson()).login, nobody()]) {
        for (let n = 0; n < 5; n += 1) assert.ok((await used.code(newAddress(), to)) < 400);
        assert.equal(await held.code(newAddress(), to), 429, to);
      }
    });

    it(`five wrong codes at the ${one} are all that the ${other} looks at, the right one included`, async () => {
      const person = await w.newPerson();
      assert.equal(await doors.app.code(newAddress(), person.login), 202);
      const otp = await w.codeTo(person.login);
      const wrong = otp === '000000' ? '000001' : '000000';
      const browser = w.site.app.browser();
      const page = (await submit(browser, await w.enter(browser), { login: person.login, password: '', method: 'email-otp' })).page!;
      const byPage = async (code: string): Promise<number> => {
        const landed = await submit(browser, page, { code });
        return isIn(landed) ? 200 : landed.page!.status;
      };
      const byApp = async (code: string): Promise<number> => (await post('login/email', { email: person.login, otp: code })).status;
      const [tried, last] = one === 'pages' ? [byPage, byApp] : [byApp, byPage];
      for (let n = 0; n < 5; n += 1) assert.notEqual(await tried(wrong), 429, String(n));
      assert.equal(await last(otp), 429);
    });
  }

  it('says at every door of an app how long it holds', async () => {
    const person = await w.newPerson();
    const address = newAddress();
    for (let n = 0; n < 30; n += 1) await post('login', { username: nobody(), password: 'wrong' }, address);
    isHeld(await post('login', { username: person.login, password: PASSWORD }, address));
    isHeld(await post('login/email', { email: person.login, otp: '000000' }, address));
    isHeld(await post('login/mobile', { mobile: '+66812340000', otp: '000000' }, address));
    isHeld(await post('login/2fa', { mfaToken: 'x', code: '000000' }, address));
    isHeld(await post('login/passkey', { passkeyToken: 'x', credential: {} }, address));
    for (let n = 0; n < 20; n += 1) await post('otp', { channel: 'email', to: nobody() }, address);
    isHeld(await post('otp', { channel: 'email', to: nobody() }, address));
    isHeld(await post('register', { email: nobody(), password: PASSWORD }, address));
    isHeld(await post('password/reset', { email: nobody() }, address));
  });
});
