import assert from 'node:assert/strict';
import { addressAllowed } from '#src/features/tenants/address-rules.ts';
import { ipRuleRoutes } from '#src/features/tenants/ip-rules-routes.ts';
import { describeApiResource } from '#test/contract/api-resource.ts';
import type { ApiHarness } from '#test/support/api.ts';
import { startTenantApi } from './start.ts';

let made: ApiHarness;
/** The suite knows paths that are fixed; the tenant's id is put in for it. */
const start = async (): Promise<ApiHarness> => {
  made = await startTenantApi(({ deps }) => ipRuleRoutes(deps));
  const { call } = made;
  const placed = (signature: string): string => signature.replace('/TENANT/', `/${made.tenants[0]}/`);
  return { ...made, call: (token, signature, options) => call(token, placed(signature), options) };
};
const RULE = { cidr: '198.51.100.0/24', action: 'deny' };

describeApiResource({
  path: '/api/tenants/TENANT/ip-rules',
  permissions: { read: 'tenants.read', write: 'tenants.write' },
  start,
  valid: (number) => ({ ...RULE, cidr: `10.${number % 250}.${Math.floor(number / 250)}.0/24` }),
  change: { description: 'Changed' },
  invalid: {
    'what is no network': { cidr: 'everything' },
    'a prefix that is too long': { cidr: '192.0.2.0/33' },
    'an IPv6 prefix that is too long': { cidr: '2001:db8::/129' },
    'an action that is none': { action: 'maybe' },
  },
  takenCode: 'ip_rule.taken',
  textMember: 'description',
  without: ['PUT'],
  nested: true,
});

describe('address rules', () => {
  const rules = (...list: [string, 'allow' | 'deny'][]) => ({ ipRules: list.map(([cidr, action]) => ({ cidr, action })) });

  it('let everybody in where there are none, and only the allowed where some are allowed', () => {
    assert.equal(addressAllowed(rules(), 'anything'), true);
    const office = rules(['192.0.2.0/24', 'allow'], ['2001:db8::/32', 'allow']);
    for (const inside of [
      '192.0.2.7',
      '::ffff:192.0.2.7',
      '::ffff:c000:207',
      '0:0:0:0:0:ffff:c000:0207',
      '2001:db8::1',
      '2001:DB8:0::1%eth0',
    ])
      assert.equal(addressAllowed(office, inside), true, inside);
    for (const outside of ['192.0.3.7', '::ffff:192.0.3.7', '2001:db9::1', '', 'unix', '::1', '127.0.0.1'])
      assert.equal(addressAllowed(office, outside), false, outside);
  });

  it('let a deny win over an allow, in both families, mapped addresses included', () => {
    const some = rules(['192.0.2.0/24', 'allow'], ['192.0.2.66/32', 'deny']);
    assert.deepEqual(
      ['192.0.2.65', '192.0.2.66', '::ffff:192.0.2.66'].map((address) => addressAllowed(some, address)),
      [true, false, false],
    );
    const all = rules(['0.0.0.0/0', 'deny']);
    assert.deepEqual(
      ['192.0.2.1', '2001:db8::1'].map((address) => addressAllowed(all, address)),
      [false, true],
    );
    assert.equal(addressAllowed(rules(['::ffff:192.0.2.0/120', 'deny']), '192.0.2.9'), false);
  });

  describe('over the API', () => {
    let api: ApiHarness;
    let token: string;
    const path = (): string => `/api/tenants/${api.tenants[0]}/ip-rules`;
    before(async () => {
      api = await startTenantApi(({ deps }) => ipRuleRoutes(deps));
      token = api.tokenOf({ tenantId: api.tenants[0] });
    });
    after(() => api.close());

    it('are kept as the network they are', async () => {
      for (const [sent, kept] of [
        ['203.0.113.77/24', '203.0.113.0/24'],
        ['203.0.113.9', '203.0.113.9/32'],
        ['2001:db8:ffff:ffff::1/36', '2001:db8:f000::/36'],
        ['::ffff:203.0.113.200/124', '203.0.113.192/28'],
        ['2001:db8::1', '2001:db8::1/128'],
      ]) {
        const answer = await api.call(token, `POST ${path()}`, { body: { cidr: sent, action: 'deny' } });
        assert.deepEqual([answer.status, answer.body['cidr']], [201, kept], answer.text);
      }
    });

    it('never shut out who makes them, by adding, changing or deleting; the platform is exempt', async () => {
      const post = (cidr: string, action: string, as = token) => api.call(as, `POST ${path()}`, { body: { cidr, action } });
      for (const [cidr, action] of [
        ['192.0.2.0/24', 'deny'],
        ['198.51.100.0/24', 'allow'],
      ] as const) {
        const refused = await post(cidr, action);
        assert.deepEqual([refused.status, refused.body['code']], [409, 'ip_rule.locks_you_out'], refused.text);
      }
      const own = await post('192.0.2.1', 'allow');
      assert.equal(own.status, 201, own.text);
      const other = await post('198.51.100.0/24', 'allow');
      assert.equal(other.status, 201, other.text);
      for (const signature of [`DELETE ${path()}/${own.body['id']}`, `PATCH ${path()}/${own.body['id']}`]) {
        const answer = await api.call(token, signature, signature.startsWith('PATCH') ? { body: { action: 'deny' } } : {});
        assert.deepEqual([answer.status, answer.body['code']], [409, 'ip_rule.locks_you_out']);
      }
      const platform = api.tokenOf({ tenantId: api.rootTenantId });
      assert.equal((await post('192.0.2.0/24', 'deny', platform)).status, 201);
    });

    it('of another tenant are 404, alike whether there is such a rule or not', async () => {
      const { body } = await api.call(token, `GET ${path()}`);
      const [rule] = body['items'] as unknown as { id: string }[];
      const foreign = api.tokenOf({ tenantId: api.tenants[1] });
      const there = await api.call(foreign, `GET /api/tenants/${api.tenants[1]}/ip-rules/${rule!.id}`);
      assert.deepEqual([there.status, there.body['code']], [404, 'ip_rule.not_found']);
      const tenant = await api.call(foreign, `GET ${path()}/${rule!.id}`);
      const nowhere = await api.call(foreign, `GET /api/tenants/${rule!.id}/ip-rules/${rule!.id}`);
      assert.deepEqual(
        [tenant.status, tenant.body['code'], nowhere.status, nowhere.body['code']],
        [404, 'tenant.not_found', 404, 'tenant.not_found'],
      );
    });
  });
});
