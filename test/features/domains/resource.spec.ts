import assert from 'node:assert/strict';
import { systemClock } from '#src/core/clock.ts';
import { faultOfDomain } from '#src/features/domains/names.ts';
import { domainRoutes } from '#src/features/domains/routes.ts';
import { tenantInPath } from '#src/features/tenants/in-path.ts';
import type { TenantCache } from '#src/features/tenants/index.ts';
import { readTenant } from '#src/features/tenants/store.ts';
import { isInDomains } from '#src/features/users/names.ts';
import { createLimits } from '#src/infra/limits.ts';
import { describeApiResource } from '#test/contract/api-resource.ts';
import { startApi } from '#test/support/api.ts';

const rules = { issuer: 'https://id.example.com', localhost: false };

describe('names of domains', () => {
  it('are LDH names of at least two labels, in lower case, that somebody can own', () => {
    for (const good of ['acme.test', 'a.b.acme.example', 'xn--mnchen-3ya.example', '3com.example', 'sub.id.example.com'])
      assert.equal(faultOfDomain(good, rules), undefined, good);
    for (const bad of [
      'acme',
      'localhost',
      'acme.localhost',
      '',
      '.',
      'acme.',
      '.acme.test',
      'a..test',
      '-a.test',
      'a-.test',
      'a_b.test',
      'münchen.example',
      'ab--cd.test',
      '192.0.2.1',
      '1.2',
      '[::1]',
      'acme.test:443',
      'acme.test/',
      'user@acme.test',
      '*.acme.test',
      'co.uk',
      'com.au',
      'id.example.com',
      `${'a'.repeat(64)}.test`,
      `${'a.'.repeat(126)}test`,
    ])
      assert.notEqual(faultOfDomain(bad, rules), undefined, bad);
    assert.equal(faultOfDomain('acme.localhost', { ...rules, localhost: true }), undefined);
  });

  it('count for addresses in exactly them', () => {
    const domains = ['acme.test'];
    for (const mine of ['a@acme.test', 'A@ACME.test']) assert.ok(isInDomains(domains, mine));
    for (const other of ['a@sub.acme.test', 'a@notacme.test', '@acme.test', 'acme.test', 'a@acme.test.evil.test', 'a@acme.test@evil.test'])
      assert.ok(!isInDomains(domains, other), other);
  });
});

describeApiResource({
  path: '/api/tenants/TENANT/domains',
  permissions: { read: 'tenants.read', write: 'tenants.write' },
  async start() {
    const api = await startApi(({ db, transact }) => {
      const tenants: TenantCache = { find: (id) => readTenant(db, id), findByName: (id) => readTenant(db, id), drop: () => {} };
      const resolveTxt = async () => [];
      const limits = createLimits({ db });
      return domainRoutes({
        ...{ db, transact, tenants, limits, resolveTxt, clock: systemClock, baseIssuer: 'https://op.test', loopback: false },
        inTenant: (scope, id) => tenantInPath({ tenants }, scope, id),
      });
    });
    return { ...api, call: (token, signature, options) => api.call(token, signature.replace('/TENANT/', `/${api.tenants[0]}/`), options) };
  },
  valid: (number) => ({ domain: `n${number}.test` }),
  change: {},
  invalid: {
    'one label': { domain: 'acme' },
    'an address': { domain: '192.0.2.1' },
    'our own': { domain: 'op.test' },
    'what belongs to everybody': { domain: 'co.uk' },
  },
  takenCode: 'domain.exists',
  textMember: 'domain',
  without: ['PUT', 'PATCH'],
  nested: true,
});
