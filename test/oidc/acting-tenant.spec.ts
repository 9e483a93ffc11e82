import assert from 'node:assert/strict';
import { type ActingQuestion, actingTenant, actingTenantUnasked } from '#src/oidc/acting-tenant.ts';
import type { MembershipFacts } from '#src/oidc/store.ts';

const of = (tenantId: string, type: MembershipFacts['type'] = 'team', roles: string[] = []): MembershipFacts => ({
  tenantId,
  slug: `${tenantId}-slug`,
  name: tenantId.toUpperCase(),
  type,
  roles,
  groups: [],
});
const person = (...memberships: MembershipFacts[]) => ({ homeTenantId: memberships[0]?.tenantId ?? 'none', memberships });
const ROOT = { tenantId: 'root', isRoot: true };
const ACME = { tenantId: 'acme', isRoot: false };

const shown = (question: ActingQuestion): unknown => {
  const choice = actingTenant(question);
  return 'choose' in choice ? choice.choose.map(({ tenantId }) => tenantId) : 'tenantId' in choice ? choice.tenantId : 'refused';
};

describe('the tenant that somebody acts in', () => {
  const root = of('root', 'root');
  const admin = of('root', 'root', ['administrator']);

  it('is the client’s own, for its members only, whatever else they belong to', () => {
    assert.equal(shown({ client: ACME, person: person(root, of('acme'), of('beta')) }), 'acme');
    assert.equal(shown({ client: ACME, requested: 'acme', person: person(of('acme')) }), 'acme');
    assert.equal(shown({ client: ACME, requested: 'acme-slug', person: person(of('acme')) }), 'acme');
    assert.equal(shown({ client: ACME, remembered: 'beta', person: person(of('acme'), of('beta')) }), 'acme');
  });

  it('is refused alike where the person is no member, and where another or no tenant is named', () => {
    assert.equal(shown({ client: ACME, person: person(root, of('beta')) }), 'refused');
    for (const requested of ['beta', 'beta-slug', 'nobody', '']) {
      assert.equal(shown({ client: ACME, requested, person: person(of('acme'), of('beta')) }), 'refused', requested);
    }
    assert.equal(shown({ client: ROOT, requested: 'nobody', person: person(of('acme')) }), 'refused');
    assert.equal(shown({ client: ROOT, person: person() }), 'refused');
  });

  it('is at the installation’s clients the named one, the remembered one, or the only one', () => {
    const both = person(of('acme'), of('beta'));
    assert.equal(shown({ client: ROOT, requested: 'beta-slug', remembered: 'acme', person: both }), 'beta');
    assert.equal(shown({ client: ROOT, remembered: 'acme', person: both }), 'acme');
    assert.equal(shown({ client: ROOT, person: person(of('beta')) }), 'beta');
    assert.deepEqual(shown({ client: ROOT, remembered: 'left', person: both }), ['acme', 'beta']);
  });

  it('is the root tenant for who has a role there or belongs to nothing else', () => {
    assert.equal(shown({ client: ROOT, person: person(root) }), 'root');
    assert.equal(shown({ client: ROOT, person: person(root, of('acme')) }), 'acme');
    assert.deepEqual(shown({ client: ROOT, person: person(admin, of('acme')) }), ['root', 'acme']);
    assert.equal(shown({ client: ROOT, requested: 'root', person: person(root, of('acme')) }), 'root');
  });

  it('is not the root tenant because another is suspended', () => {
    assert.equal(shown({ client: ROOT, person: { ...person(root), isSuspendedSomewhere: true } }), 'refused');
    assert.equal(shown({ client: ROOT, person: { ...person(admin), isSuspendedSomewhere: true } }), 'root');
    assert.equal(shown({ client: ROOT, person: { ...person(root, of('acme')), isSuspendedSomewhere: true } }), 'acme');
  });

  it('is home at the account application', () => {
    const client = { ...ROOT, isHome: true };
    assert.equal(shown({ client, requested: 'acme', person: person(root, of('acme')) }), 'root');
    assert.equal(shown({ client, person: person(of('acme'), of('beta')) }), 'acme');
  });

  it('is home where several fit and nobody can be asked', () => {
    const both = person(of('beta'), of('acme'));
    assert.deepEqual(actingTenantUnasked({ client: ROOT, person: both }), { tenantId: 'beta' });
    assert.deepEqual(actingTenantUnasked({ client: ROOT, person: { ...both, homeTenantId: 'gone' } }), { tenantId: 'beta' });
    assert.deepEqual(actingTenantUnasked({ client: ROOT, requested: 'x', person: both }), { refused: true });
  });
});
