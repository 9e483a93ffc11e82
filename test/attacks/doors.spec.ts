/** What ends somebody's part in a tenant, against every door that this part opens, at two nodes: shut on the next call. Other tenants of theirs stay open. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { basicAuth, newAddress, type RunningApp, startTestApp } from '#test/support/app.ts';
import type { Browser } from '#test/support/browser.ts';
import { authorization, CB } from '#test/support/oidc.ts';
import { visit } from '#test/support/person.ts';
import { type App, type Person, setUpTenancy, type Tenancy } from '#test/support/tenancy.ts';
import { bearer, done, itemsOf } from './scene.ts';

const DOORS = [
  'our API, by token',
  'our API, by key',
  'validate, the token',
  'validate, the key',
  'silent sign-in',
  'direct login',
  'an unused code',
  'refresh',
  'refresh into it',
] as const;
type Door = (typeof DOORS)[number];
const NONE: readonly Door[] = [];
const SCOPE = 'openid offline_access account users.read api-keys.write';

interface Subject {
  tenant: { id: string; slug: string };
  person: Person;
  browser: Browser;
  token: string;
  refresh: string;
  /** Of the other tenant. */
  token2: string;
  refresh2: string;
  key: string;
  code: Record<string, string>;
}

interface Cause {
  act(subject: Subject): Promise<unknown>;
  /** Doors that stay open, and why. */
  open?: { doors: readonly Door[]; why: string };
  /** What ends the person ends their other tenants too. */
  everywhere?: boolean;
}

describe('what ends a part in a tenant, and every door', function () {
  this.timeout(120_000);
  let app: RunningApp;
  let elsewhere: RunningApp;
  let t: Tenancy;
  let direct: App;
  let made = 0;

  before(async () => {
    const env = { ENCRYPTION_KEY: randomBytes(32).toString('base64'), COOKIE_KEYS: randomBytes(32).toString('base64url') };
    app = await startTestApp({ env });
    elsewhere = await startTestApp({ env: { ...env, ISSUER: app.issuer }, databaseUrl: app.databaseUrl });
    t = await setUpTenancy(app, 'doors');
    direct = await t.addClient(app.rootTenantId, { direct_login: true });
  });
  after(async () => {
    await elsewhere?.close();
    await app?.close();
  });

  async function subject(): Promise<Subject> {
    made += 1;
    const tenant = await t.addTenant(`part-${made}`);
    const person = await t.addPerson({ [tenant.id]: 'administrator', [t.two.id]: 'administrator' });
    const browser = app.browser();
    const tokens = await t.tokens(browser, t.app, person, { tenant: tenant.slug, scope: SCOPE });
    const token = String(tokens.body['access_token']);
    const second = await t.tokens(app.browser(), t.app, person, { tenant: t.two.slug });
    const key = await done(app.api('POST', '/api/api-keys', { name: 'mine', permissions: ['users.read'] }, bearer(token)), 201);
    const { location, verifier } = await t.begin(browser, t.app, undefined, { tenant: tenant.slug });
    const code = location?.searchParams.get('code');
    assert.ok(code, location?.href);
    return {
      tenant,
      person,
      browser,
      token,
      refresh: String(tokens.body['refresh_token']),
      token2: String(second.body['access_token']),
      refresh2: String(second.body['refresh_token']),
      key: String(key['key']),
      code: { grant_type: 'authorization_code', code, code_verifier: verifier, redirect_uri: CB },
    };
  }

  /** What can be tried as often as one likes. */
  async function plainDoors(node: RunningApp, { tenant, person, browser, token, key }: Subject): Promise<Door[]> {
    const uses = async (bearing: string): Promise<boolean> => {
      const { status, text } = await node.api('GET', '/api/users', undefined, bearer(bearing));
      assert.ok([200, 401, 403].includes(status), text);
      return status === 200;
    };
    const lives = async (shown: string): Promise<boolean> => {
      const answer = await node.api('POST', '/api/sessions/validate', { token: shown });
      const byClient = await node.api('POST', '/api/sessions/validate', { token: shown }, basicAuth(t.app));
      assert.ok([200, 401].includes(answer.status) && [200, 401].includes(byClient.status), answer.text);
      return answer.status === 200 || byClient.status === 200;
    };
    const silent = node.browser();
    for (const [name, cookie] of browser.jar) silent.jar.set(name, cookie);
    const { path } = authorization(t.app.id, { scope: 'openid', prompt: 'none', tenant: tenant.slug });
    const { location } = await visit(silent, path);
    const login = { username: person.login, password: person.password, tenant: tenant.slug };
    const found: Record<Exclude<Door, 'an unused code' | 'refresh' | 'refresh into it'>, boolean> = {
      'our API, by token': await uses(token),
      'our API, by key': await uses(key),
      'validate, the token': await lives(token),
      'validate, the key': await lives(key),
      'silent sign-in': location?.searchParams.has('code') ?? false,
      'direct login': (await node.api('POST', '/api/auth/login', login, basicAuth(direct))).status === 200,
    };
    return DOORS.filter((door) => door in found && found[door as keyof typeof found]);
  }

  async function doors(of: Subject): Promise<Door[]> {
    const there = await plainDoors(elsewhere, of);
    assert.deepEqual(await plainDoors(app, of), there, 'both nodes answer alike');
    const redeems = async (form: Record<string, string>): Promise<boolean> => {
      const { status, body } = await elsewhere.token(form, t.app, { 'x-forwarded-for': newAddress() });
      assert.ok(status === 200 || ['invalid_grant', 'access_denied'].includes(String(body['error'])), `${status} ${JSON.stringify(body)}`);
      return status === 200;
    };
    return [
      ...there,
      ...((await redeems(of.code)) ? (['an unused code'] as const) : []),
      ...((await redeems({ grant_type: 'refresh_token', refresh_token: of.refresh })) ? (['refresh'] as const) : []),
      ...((await redeems({ grant_type: 'refresh_token', refresh_token: of.refresh2, tenant: of.tenant.slug }))
        ? (['refresh into it'] as const)
        : []),
    ];
  }

  const inside = (id: string): Record<string, string> => ({ 'x-tenant-id': id });
  const roleOf = async (id: string): Promise<string> =>
    String(itemsOf(await app.api('GET', '/api/roles?roleName=administrator', undefined, inside(id)))[0]?.['id']);
  const OF_RIGHTS: readonly Door[] = ['our API, by token', 'our API, by key'];
  const STILL_MEMBER = 'they are a member all the same, with fewer rights';

  const causes: Record<string, Cause> = {
    'the membership was ended by the tenant': {
      act: ({ tenant, person }) => done(app.api('DELETE', `/api/tenants/${tenant.id}/members/${person.id}`)),
    },
    'the person left': { act: ({ tenant, token2 }) => done(app.api('DELETE', `/api/me/tenants/${tenant.id}`, undefined, bearer(token2))) },
    'the home tenant ended the membership': {
      act: ({ tenant, person }) => done(app.api('DELETE', `/api/users/${person.id}/tenants/${tenant.id}`)),
    },
    'the role was revoked': {
      act: async ({ tenant, person }) =>
        done(app.api('POST', `/api/roles/${await roleOf(tenant.id)}/revoke`, { userId: person.id }, inside(tenant.id))),
      open: { doors: DOORS.filter((door) => !OF_RIGHTS.includes(door)), why: STILL_MEMBER },
    },
    'the role expired': {
      act: ({ tenant, person }) =>
        app.owner.query(`update role_assignments set expires_at = clock_timestamp() where tenant_id = $1 and user_id = $2`, [
          tenant.id,
          person.id,
        ]),
      open: { doors: DOORS.filter((door) => !OF_RIGHTS.includes(door)), why: STILL_MEMBER },
    },
    'the tenant was suspended': { act: ({ tenant }) => done(app.api('POST', `/api/tenants/${tenant.id}/suspend`, {})) },
    'the tenant was deleted': { act: ({ tenant }) => done(app.api('DELETE', `/api/tenants/${tenant.id}`)) },
    'the tenant shut out their address': {
      act: ({ tenant }) => done(app.api('POST', `/api/tenants/${tenant.id}/ip-rules`, { cidr: '11.0.0.0/8', action: 'deny' }), 201),
      open: {
        doors: ['validate, the token', 'validate, the key'],
        why: 'a resource server asks from its own address whether a token lives: from where the token is used it knows itself',
      },
    },
    'the person was disabled': {
      act: ({ person }) => done(app.api('PATCH', `/api/users/${person.id}`, { status: 'disabled' })),
      everywhere: true,
    },
    'the person was deleted': { act: ({ person }) => done(app.api('DELETE', `/api/users/${person.id}`)), everywhere: true },
  };

  it('every door is open to a member against whom nothing was done', async () => {
    assert.deepEqual(await doors(await subject()), DOORS);
  });

  for (const [name, cause] of Object.entries(causes)) {
    const open = cause.open?.doors ?? NONE;
    it(`after ${name}, ${open.length === 0 ? 'every door is shut' : `${DOORS.length - open.length} doors are shut: ${cause.open?.why}`}`, async () => {
      const one = await subject();
      await cause.act(one);
      // Other nodes hear by notification of what they keep in memory.
      await sleep(300);
      assert.deepEqual(await doors(one), open);
      const there = (await app.api('GET', '/api/users', undefined, bearer(one.token2))).status;
      // Whose refresh token led into the tenant just now, and whose did not.
      assert.equal(there, cause.everywhere ? 401 : 200, 'the other tenant of theirs');
    });
  }

  it('a key ends with whoever made it, in each of those ways, and with the key that made it', async () => {
    const one = await subject();
    const maker = await done(
      app.api('POST', '/api/api-keys', { name: 'maker', permissions: ['users.read', 'api-keys.write'] }, bearer(one.token)),
      201,
    );
    const child = await done(
      app.api('POST', '/api/api-keys', { name: 'child', permissions: ['users.read'] }, bearer(String(maker['key']))),
      201,
    );
    const use = async (): Promise<number[]> =>
      Promise.all(
        [app, elsewhere].map(async (node) => (await node.api('GET', '/api/users', undefined, bearer(String(child['key'])))).status),
      );
    assert.deepEqual(await use(), [200, 200]);
    await done(app.api('DELETE', `/api/api-keys/${String(maker['id'])}`, undefined, inside(one.tenant.id)));
    assert.deepEqual(await use(), [401, 401]);
  });

  it('who comes back after they were removed gets back none of what they held', async () => {
    const one = await subject();
    await done(app.api('DELETE', `/api/tenants/${one.tenant.id}/members/${one.person.id}`));
    await done(app.api('POST', `/api/tenants/${one.tenant.id}/members`, { userId: one.person.id }), 201);
    for (const node of [app, elsewhere])
      for (const held of [one.token, one.key]) {
        const { status, text } = await node.api('GET', '/api/users', undefined, bearer(held));
        assert.ok(status === 401 || status === 403, text);
      }
    const key = await app.api('GET', '/api/api-keys', undefined, inside(one.tenant.id));
    assert.deepEqual(itemsOf(key), [], 'keys went with the membership');
  });
});
