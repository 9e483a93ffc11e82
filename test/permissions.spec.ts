/** What is not granted is refused: every route there is against every permission, as the OpenAPI document names them. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { ALL_PERMISSIONS } from '#src/core/permissions.ts';
import { newAddress, type Reply, type RunningApp, startTestApp } from './support/app.ts';

interface Operation {
  method: string;
  path: string;
  /** The scopes of its `security` entries; undefined for what is public. */
  scopes: string[] | undefined;
}

// Probes, and the doors by which people and applications come in: they know nobody yet.
// The caller's own session, with whatever permissions.
const ANY_TOKEN = /^\/api\/sessions\/current$/;
const WITHOUT_TOKEN = /^\/(health|api\/auth|api\/sessions\/(refresh|validate|logout))(\/|$)/;

describe('permissions', function () {
  this.timeout(180_000);
  let app: RunningApp;
  let operations: Operation[];
  const keys = new Map<string, string>();

  before(async () => {
    app = await startTestApp();
    const { paths } = (await app.api('GET', '/openapi.json')).body as {
      paths: Record<string, Record<string, { security?: Record<string, string[]>[] }>>;
    };
    operations = Object.entries(paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, { security }]) => ({
        method: method.toUpperCase(),
        path,
        scopes:
          security === undefined || security.length === 0 ? undefined : [...new Set(security.flatMap((one) => Object.values(one).flat()))],
      })),
    );
  });
  after(() => app.close());

  /** An API key with these permissions, made once. */
  async function keyWith(permissions: readonly string[]): Promise<string> {
    const name = [...permissions].sort().join(' ');
    const known = keys.get(name);
    if (known) return known;
    const made = await app.api('POST', '/api/api-keys', { name: 'matrix', permissions });
    assert.equal(made.status, 201, made.text);
    keys.set(name, String(made.body['key']));
    return String(made.body['key']);
  }

  const call = ({ method, path }: Operation, authorization: string | undefined): Promise<Reply> => {
    const url = path.replace(/\{[^}]+\}/g, () => randomUUID());
    const body = method === 'GET' || method === 'DELETE' ? undefined : {};
    return app.api(method, url, body, authorization === undefined ? { authorization: '' } : { authorization });
  };

  it('every route names one permission of the catalogue, or the scope of one’s own account, or is a door', () => {
    for (const { method, path, scopes } of operations) {
      if (scopes === undefined || scopes.length === 0)
        assert.ok(WITHOUT_TOKEN.test(path) || ANY_TOKEN.test(path), `${method} ${path} needs nothing`);
      else
        assert.ok(
          scopes.length === 1 && [...ALL_PERMISSIONS, 'account'].includes(scopes[0]!),
          `${method} ${path} needs ${scopes.join(' ')}`,
        );
    }
    assert.ok(operations.length > 120, `only ${operations.length} operations`);
  });

  it('no route but the doors answers who shows nothing', async () => {
    for (const operation of operations) {
      if (WITHOUT_TOKEN.test(operation.path)) continue;
      const { status, headers } = await call(operation, undefined);
      assert.equal(status, 401, `${operation.method} ${operation.path} answered ${status} to nobody`);
      assert.match(headers.get('www-authenticate') ?? '', /^(Bearer|DPoP)/, operation.path);
    }
  });

  it('whoever holds everything but the one permission is refused, at every route', async () => {
    for (const operation of operations) {
      const [permission] = operation.scopes ?? [];
      if (permission === undefined) continue;
      const key = await keyWith(ALL_PERMISSIONS.filter((one) => one !== permission));
      const { status, body, text } = await call(operation, `Bearer ${key}`);
      const what = `${operation.method} ${operation.path} without ${permission}`;
      assert.equal(status, 403, `${what}: ${text}`);
      assert.deepEqual([body['code'], body['permission']], ['permission.missing', permission], what);
    }
  });

  it('the one permission is enough to be let in, at every route', async () => {
    for (const operation of operations) {
      const [permission] = operation.scopes ?? [];
      if (permission === undefined || permission === 'account') continue;
      const { status, body, text } = await call(operation, `Bearer ${await keyWith([permission])}`);
      const refused = status === 401 || (status === 403 && body['permission'] === permission);
      assert.equal(refused, false, `${operation.method} ${operation.path} with ${permission}: ${status} ${text}`);
      assert.ok(status < 500, `${operation.method} ${operation.path}: ${status} ${text}`);
    }
  });

  it('a tenant’s owner is refused what is the platform’s', async () => {
    const tenant = await app.api('POST', '/api/tenants', { name: 'Owner only', type: 'team' });
    assert.equal(tenant.status, 201, tenant.text);
    const made = await app.api(
      'POST',
      '/api/api-keys',
      { name: 'all', permissions: ALL_PERMISSIONS },
      { 'x-tenant-id': String(tenant.body['id']) },
    );
    assert.equal(made.status, 201, made.text);
    const platforms = operations.filter(({ path }) => /^\/api\/(plans|tenant-templates|signing-keys)(\/|$)/.test(path));
    assert.ok(platforms.length >= 10, `only ${platforms.length}`);
    for (const operation of platforms) {
      const { status, text } = await app.api(
        operation.method,
        operation.path.replace(/\{[^}]+\}/g, () => randomUUID()),
        operation.method === 'GET' || operation.method === 'DELETE' ? undefined : {},
        { authorization: `Bearer ${String(made.body['key'])}`, 'x-forwarded-for': newAddress() },
      );
      assert.equal(status, 403, `${operation.method} ${operation.path}: ${text}`);
    }
  });
});
