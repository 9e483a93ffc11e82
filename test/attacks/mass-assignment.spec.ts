/** G19: members that are nobody's to set, at every POST, PUT and PATCH of the API, as its document names them: refused or without effect. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { type Reply, type RunningApp, startTestApp } from '#test/support/app.ts';
import { contentsOf } from '#test/support/contents.ts';
import { type Settled, settle } from '#test/support/two-tenants.ts';
import { bearer } from './scene.ts';

interface Operation {
  method: string;
  path: string;
  schema: { properties?: Record<string, object>; patternProperties?: object; additionalProperties?: unknown };
}

/** What a row, a token or a scope has, and no caller may say. */
const NOT_THEIRS = [
  'id',
  'tenantId',
  'tenant_id',
  'homeTenantId',
  'home_tenant_id',
  'ownerId',
  'owner',
  'userId',
  'platform',
  'builtIn',
  'built_in',
  'system',
  'version',
  'member_version',
  'createdAt',
  'created_at',
  'updatedAt',
  'grantedBy',
  'invitedBy',
  'acceptedBy',
  'secretHash',
  'key',
  'keyHash',
  'madeBy',
  'deletedAt',
  'purgeAfter',
  'isAdmin',
  'role',
  'scope',
  '__proto__',
  'constructor',
] as const;

/** Where such a member is one of the route's own, named in its document: who may set it is tested where the route is. */
const said = (operation: Operation, name: string): boolean => operation.schema.properties?.[name] !== undefined;

describe('mass assignment', function () {
  this.timeout(120_000);
  let app: RunningApp;
  let a: Settled;
  let operations: Operation[];

  before(async () => {
    app = await startTestApp();
    a = await settle(app, 'a');
    const { paths } = (await app.api('GET', '/openapi.json')).body as {
      paths: Record<string, Record<string, { requestBody?: { content: Record<string, { schema: Operation['schema'] }> } }>>;
    };
    operations = Object.entries(paths).flatMap(([path, methods]) =>
      Object.entries(methods).flatMap(([method, { requestBody }]) => {
        const schema = requestBody?.content['application/json']?.schema;
        return schema && path.startsWith('/api/') ? [{ method: method.toUpperCase(), path, schema }] : [];
      }),
    );
  });
  after(() => app?.close());

  const pathOf = (path: string): string =>
    path.replace(/\{[^}]+\}/g, (_, at: number) => a.ids[path.slice(0, at).split('/').at(-2) ?? ''] ?? randomUUID());
  /** One actor asks more than one may in ten seconds: it waits as it is told to. */
  async function call(method: string, path: string, body: string): Promise<Reply> {
    const answer = await app.api(method, pathOf(path), body, { ...bearer(a.token), 'content-type': 'application/json' });
    if (answer.status !== 429) return answer;
    await new Promise((resolve) => setTimeout(resolve, 1000 * Number(answer.headers.get('retry-after') ?? 10)));
    return call(method, path, body);
  }

  it('finds every route that takes JSON', () => {
    assert.ok(operations.length > 45, `only ${operations.length}`);
    const methods = new Set(operations.map(({ method }) => method));
    assert.deepEqual([...methods].sort(), ['PATCH', 'POST', 'PUT']);
  });

  it('takes no member that its document does not name, at any route, and changes nothing for it', async () => {
    let refused = 0;
    for (const operation of operations) {
      const { method, path } = operation;
      for (const name of NOT_THEIRS) {
        if (said(operation, name)) continue;
        // Made by hand: `__proto__` in a literal would be no member.
        const answer = await call(method, path, `{${JSON.stringify(name)}:"${a.tenantId}"}`);
        const what = `${method} ${path} with ${name}`;
        assert.ok(answer.status < 500, `${what}: ${answer.text}`);
        if (answer.status === 404 || answer.status === 403 || answer.status === 401) break;
        if (isOpen(operation)) continue;
        assert.ok(answer.status === 422 || answer.status === 400, `${what}: ${answer.status} ${answer.text}`);
        refused += 1;
      }
    }
    assert.ok(refused > 600, `only ${refused}`);
  });

  it('shows in no answer what such a member said, where a body is right otherwise', async () => {
    const bodies: Record<string, object> = {
      '/api/users': { username: 'mass' },
      '/api/roles': { roleName: 'mass', permissions: [] },
      '/api/groups': { name: 'mass' },
      '/api/attribute-groups': { name: 'mass' },
      '/api/attributes': { path: 'user.mass', type: 'string' },
      '/api/clients': { client_name: 'mass', redirect_uris: ['https://mass.test/cb'] },
      '/api/resources': { identifier: 'https://mass.test', name: 'mass' },
      '/api/api-keys': { name: 'mass', permissions: ['users.read'] },
      [`/api/tenants/${a.tenantId}/invitations`]: { email: 'mass@elsewhere.test' },
      [`/api/tenants/${a.tenantId}/domains`]: { domain: 'mass.example' },
      [`/api/tenants/${a.tenantId}/ip-rules`]: { cidr: '198.51.100.0/24', action: 'deny' },
    };
    /** All but how often it was asked. */
    const contents = async () => ({ ...(await contentsOf(app.owner, a.tenantId)), usage_people: '', usage_totals: '' });
    const before = await contents();
    for (const [path, body] of Object.entries(bodies))
      for (const name of NOT_THEIRS) {
        if (name === 'scope' && path === '/api/clients') continue; // RFC 7591 section 2
        const answer = await call('POST', path, `${JSON.stringify(body).slice(0, -1)},${JSON.stringify(name)}:"${app.rootTenantId}"}`);
        assert.ok([400, 403, 422].includes(answer.status), `${path} with ${name}: ${answer.status} ${answer.text}`);
        assert.ok(!answer.text.includes(app.rootTenantId), `${path} with ${name}: ${answer.text}`);
      }
    assert.deepEqual(await contents(), before);
    const { rows } = await app.owner.query(`select count(*)::integer as n from users where username = 'mass'`);
    assert.equal(rows[0]?.n, 0);
  });
});

/** A map whose names are the caller's own, such as a person's attributes. */
const isOpen = ({ schema }: Operation): boolean =>
  schema.properties === undefined || schema.patternProperties !== undefined || typeof schema.additionalProperties === 'object';
