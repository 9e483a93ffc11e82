/** What every way to sign in does at the doors of apps that sign people in themselves, over the whole server. */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { decodeJwt } from 'jose';
import { basicAuth, newAddress, type Reply, type RunningApp } from '#test/support/app.ts';
import { giveRole } from '#test/support/roles.ts';
import type { App, Tenancy } from '#test/support/tenancy.ts';

export interface Somebody {
  /** Empty where nobody is there before the sign-in ends. */
  id: string;
  login: string;
  /** Where they are at home, if not in the root tenant. */
  tenantId?: string;
}

/** The last call of a sign-in, and the same with something wrong in it. */
export interface LastCall {
  path: string;
  right: Record<string, unknown>;
  wrong: Record<string, unknown>;
}

export type Call = (path: string, body: object) => Promise<Reply>;

export interface DirectMethod {
  name: string;
  make(): Promise<Somebody>;
  /** Everything but the last call. `issuer`: where the calls go, for what is signed. */
  ready(somebody: Somebody, call: Call, issuer: string): Promise<LastCall>;
  /** The last call for somebody who does not exist, as like `wrong` as it can be; undefined where the call names nobody. */
  unknown?(call: Call, issuer: string): Promise<LastCall>;
  acr: string;
  /** Of a success, and of a failure. */
  events?: readonly [string, string];
  /** The last call with what is right by now, where that changes by itself. */
  renewed?(somebody: Somebody, right: LastCall['right']): Promise<LastCall['right']>;
  /** Why the same call is right again: it uses nothing up. */
  lasting?: string;
  /** Of clients: what the method needs them to ask for. */
  metadata?: object;
  /** What a client of a tenant answers where the person is of another; that the tenant is not open to them where nothing is said. */
  foreign?: string;
  /** Nobody is there before the sign-in ends. */
  makesPerson?: true;
}

export interface DirectWorld {
  app: RunningApp;
  tenancy: Tenancy;
}

const REFUSED = '401 auth.invalid_credentials';
export const said = ({ status, body }: Reply): string => `${status} ${String(body['code'] ?? '')}`.trim();
/** All that a caller can tell two answers apart by. */
export const bytesOf = ({ status, headers, text }: Reply): string => {
  const shown = [...headers].filter(([name]) => !['date', 'x-request-id', 'etag'].includes(name)).sort();
  return JSON.stringify([status, shown, text.replace(/"requestId":"[^"]*"/, '')]);
};
const hasTokens = ({ body }: Reply): boolean => ['access_token', 'id_token', 'refresh_token'].some((name) => body[name] !== undefined);

/** Hostile bodies: each is refused as input, without a token, whatever the door. */
export const hostileBodies = ({ right }: Pick<LastCall, 'right'>): [string, string][] => {
  const [name = '', value] = Object.entries(right).find(([, one]) => typeof one === 'string') ?? [];
  const withValue = (one: unknown): string => JSON.stringify({ ...right, [name]: one });
  return [
    ['an array', JSON.stringify([right])],
    ['nothing', ''],
    ['text', '"text"'],
    ['null', 'null'],
    ['half of it', JSON.stringify(right).slice(0, -1)],
    ['nested ten thousand deep', `${'{"a":'.repeat(10_000)}1${'}'.repeat(10_000)}`],
    ['a list in a field', withValue([value])],
    ['an object in a field', withValue({ $ne: '' })],
    ['a number in a field', withValue(7)],
    ['null in a field', withValue(null)],
    ['NUL in a field', withValue(`${String(value)}\u0000`)],
    ['half a surrogate pair in a field', withValue(`${String(value)}\ud800`).replace('\\\\', '\\')],
    ['a field that nobody knows', JSON.stringify({ ...right, isAdmin: true })],
    ['the name of the prototype', `{"__proto__":{"a":1},${JSON.stringify(right).slice(1)}`],
    ['a megabyte', withValue('x'.repeat(1_048_576))],
  ];
};

export function directMethodContract(world: () => DirectWorld, method: DirectMethod): void {
  describe(`${method.name}, by the API`, () => {
    const { name: _name, make, ready, acr, metadata = {}, events: [succeeded, refused] = ['login.succeeded', 'login.refused'] } = method;
    let mine: App;
    let theirs: App;
    before(async () => {
      const { app, tenancy } = world();
      mine = await tenancy.addClient(app.rootTenantId, { direct_login: true, ...metadata });
      theirs = await tenancy.addClient(app.rootTenantId, { direct_login: true, ...metadata });
    });
    beforeEach(async () => {
      await world().app.owner.query('delete from rate_limits');
    });

    const callAs =
      (client: App, headers: Record<string, string> = {}): Call =>
      (path, body) =>
        world().app.api('POST', `/api/auth/${path}`, body, { ...basicAuth(client), 'x-forwarded-for': newAddress(), ...headers });
    const started = async (client = mine): Promise<{ call: Call; somebody: Somebody } & LastCall> => {
      const [call, somebody] = [callAs(client), await make()];
      return { call, somebody, ...(await ready(somebody, call, world().app.issuer)) };
    };
    const lastEvent = async (): Promise<string> =>
      (await world().app.owner.query<{ id: string }>('select id from audit_events order by id desc limit 1')).rows[0]!.id;
    const eventsSince = async (from: string): Promise<{ type: string; reason: string | null }[]> =>
      (
        await world().app.owner.query<{ type: string; reason: string | null }>(
          'select type, reason from audit_events where id > $1::uuid and type = any($2::text[]) order by id',
          [from, [succeeded, refused, 'token.issued', 'login.succeeded', 'login.refused']],
        )
      ).rows;
    const sessionsOf = async ({ id }: Somebody): Promise<number> =>
      (await world().app.owner.query('select 1 from oidc_sessions where user_id = $1', [id === '' ? null : id])).rowCount ?? 0;

    it('answers tokens for who is right, says how sure it is, and records the sign-in and the token once', async () => {
      const { call, somebody, path, right } = await started();
      const before = await lastEvent();
      const answer = await call(path, right);
      assert.equal(answer.status, 200, answer.text);
      const claims = decodeJwt(String(answer.body['access_token']));
      assert.equal(claims['acr'], acr);
      if (somebody.id !== '') assert.equal(claims.sub, somebody.id);
      assert.deepEqual(
        (await eventsSince(before)).map(({ type }) => type),
        [succeeded, 'token.issued'],
      );
    });

    it('refuses who is wrong, on the record with why, and takes the right one after it', async () => {
      const { call, path, right, wrong } = await started();
      const before = await lastEvent();
      const answer = await call(path, wrong);
      assert.equal(said(answer), REFUSED, answer.text);
      const found = await eventsSince(before);
      assert.deepEqual(
        found.map(({ type }) => type),
        [refused],
      );
      assert.ok(found[0]?.reason);
      assert.equal((await call(path, right)).status, 200);
    });

    if (method.lasting === undefined) {
      it('is right once', async () => {
        const { call, path, right } = await started();
        assert.equal((await call(path, right)).status, 200);
        const again = await call(path, right);
        assert.equal(said(again), REFUSED, again.text);
      });

      it('of twenty at once is one sign-in, and one session', async () => {
        const { call, somebody, path, right } = await started();
        const answers = await Promise.all(Array.from({ length: 20 }, () => call(path, right)));
        const inside = answers.filter(({ status }) => status === 200);
        assert.equal(inside.length, 1, answers.map(said).join());
        for (const answer of answers.filter(({ status }) => status !== 200)) {
          assert.ok([401, 429].includes(answer.status), answer.text);
          assert.ok(!hasTokens(answer));
        }
        if (somebody.id !== '') assert.equal(await sessionsOf(somebody), 1);
      });

      it('is over when its time is', async () => {
        const { call, path, right } = await started();
        const { owner } = world().app;
        await owner.query(`update journeys set expires_at = clock_timestamp() - interval '1 second'`);
        await owner.query(`update one_time_codes set expires_at = clock_timestamp() - interval '1 second'`);
        const answer = await call(path, right);
        assert.equal(said(answer), REFUSED, answer.text);
      });

      it('of one client is worth nothing to another, and stays good', async () => {
        const { call, path, right } = await started();
        const answer = await callAs(theirs)(path, right);
        assert.equal(said(answer), REFUSED, answer.text);
        assert.equal((await call(path, right)).status, 200);
      });

      it('that began at one issuer is worth nothing at another, for the same client, and stays good where it began', async () => {
        const { app } = world();
        const { tenant, client, somebody } = await inTenant();
        const host = `${tenant.slug}.localhost`;
        const inside = { 'x-tenant-id': tenant.id };
        const made = await app.api('POST', `/api/tenants/${tenant.id}/domains`, { domain: host, verified: true }, inside);
        assert.equal(made.status, 201, made.text);
        const patched = await app.api('PATCH', `/api/tenants/${tenant.id}/domains/${String(made.body['id'])}`, { issuer: true }, inside);
        assert.equal(patched.status, 200, patched.text);
        const { port } = new URL(app.issuer);
        const elsewhere = { 'x-forwarded-host': `${host}:${port}` };
        let answer: Reply;
        const { path, right } = await ready(somebody, callAs(client), app.issuer);
        for (let round = 0; ; round += 1) {
          answer = await callAs(client, elsewhere)(path, right);
          if (answer.status !== 421 || round > 50) break;
          await sleep(50);
        }
        assert.equal(said(answer), REFUSED, answer.text);
        const there = await callAs(client)(path, right);
        assert.equal(there.status, 200, there.text);
        assert.equal(decodeJwt(String(there.body['id_token'])).iss, app.issuer);
      });
    }

    it('is worth nothing to a client of a tenant that is suspended meanwhile', async () => {
      const { tenant, client, somebody } = await inTenant();
      const { path, right } = await ready(somebody, callAs(client), world().app.issuer);
      const suspended = await world().app.api('POST', `/api/tenants/${tenant.id}/suspend`, {});
      assert.equal(suspended.status, 200, suspended.text);
      const answer = await callAs(client)(path, right);
      // Refused by the client, or where the news of it is still on its way, by the tenant that is nobody’s home any more.
      assert.ok([401, 403].includes(answer.status), answer.text);
      assert.ok(!hasTokens(answer));
      assert.equal(await sessionsOf(somebody), 0);
    });

    it('is not for a client whose right to sign people in was taken away meanwhile', async () => {
      const { tenancy, app } = world();
      const client = await tenancy.addClient(app.rootTenantId, { direct_login: true, ...metadata });
      const somebody = await make();
      const { path, right } = await ready(somebody, callAs(client), app.issuer);
      const changed = await app.api('PATCH', `/api/clients/${client.id}`, { direct_login: false });
      assert.equal(changed.status, 200, changed.text);
      await sleep(100);
      const answer = await callAs(client)(path, right);
      assert.equal(said(answer), '403 auth.direct_login_off', answer.text);
      assert.equal(await sessionsOf(somebody), 0);
    });

    if (!method.makesPerson) {
      it('of somebody of another tenant opens nothing at a client of this one', async () => {
        const { tenancy } = world();
        const tenant = await tenancy.addTenant(nameOfTenant());
        const client = await tenancy.addClient(tenant.id, { direct_login: true, ...metadata });
        const somebody = await make();
        const { path, right } = await ready(somebody, callAs(client), world().app.issuer);
        const answer = await callAs(client)(path, right);
        assert.equal(said(answer), method.foreign ?? '403 auth.tenant_refused', answer.text);
        assert.ok(!hasTokens(answer));
        assert.equal(await sessionsOf(somebody), 0);
      });

      it('of somebody who is disabled meanwhile is refused as a wrong one is', async () => {
        const { call, somebody, path, right, wrong } = await started();
        const asWrong = await call(path, wrong);
        const disabled = await world().app.api('PATCH', `/api/users/${somebody.id}`, { status: 'disabled' }, inHome(somebody));
        assert.equal(disabled.status, 200, disabled.text);
        assert.equal(bytesOf(await call(path, right)), bytesOf(asWrong));
        assert.equal(await sessionsOf(somebody), 0);
      });
    }

    const { unknown } = method;
    if (unknown)
      it('of nobody is refused as a wrong one is, in the same bytes', async () => {
        const { call, path, wrong } = await started();
        const nobody = await unknown(call, world().app.issuer);
        assert.equal(bytesOf(await call(nobody.path, nobody.wrong)), bytesOf(await call(path, wrong)));
      });

    it('takes nothing that is no such request, and stays good after all of it', async () => {
      const { call: _call, path, right } = await started();
      for (const [what, body] of hostileBodies({ right })) {
        const answer = await world().app.api('POST', `/api/auth/${path}`, body, {
          ...basicAuth(mine),
          'x-forwarded-for': newAddress(),
          'content-type': 'application/json',
        });
        assert.ok([400, 413, 422].includes(answer.status), `${what}: ${answer.status} ${answer.text}`);
        assert.match(answer.headers.get('content-type') ?? '', /^application\/problem\+json/, what);
        assert.ok(!hasTokens(answer), what);
      }
      assert.equal((await callAs(mine)(path, right)).status, 200);
    });

    const inHome = ({ tenantId }: Somebody): Record<string, string> => (tenantId === undefined ? {} : { 'x-tenant-id': tenantId });
    async function inTenant(): Promise<{ tenant: { id: string; slug: string }; client: App; somebody: Somebody }> {
      const { app, tenancy } = world();
      const tenant = await tenancy.addTenant(nameOfTenant(), { signUp: 'open' });
      const client = await tenancy.addClient(tenant.id, { direct_login: true, ...metadata });
      const somebody = await make();
      if (somebody.id !== '') await giveRole(app.owner, tenant.id, somebody.id, 'none');
      return { tenant, client, somebody };
    }
  });
}

let tenants = 0;
const nameOfTenant = (): string => {
  tenants += 1;
  return `direct-${tenants}`;
};
