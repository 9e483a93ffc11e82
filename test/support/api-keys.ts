/** Tenants with people and services that make API keys. */
import assert from 'node:assert/strict';
import { basicAuth, type Reply, startTestApp } from '#test/support/app.ts';
import { giveRole } from '#test/support/roles.ts';

export const PASSWORD = 'violet cactus thunder marble';

export interface Place {
  tenantId: string;
  /** A client of the tenant that signs people in. */
  direct: { id: string; secret: string };
  /** A client of the tenant with all permissions on API keys and people. */
  service: string;
  serviceId: string;
}

/** Everything the specs of it begin with; `close` ends it. */
export async function startApiKeys() {
  const app = await startTestApp();
  let number = 0;
  const inside = (tenantId: string) => ({ 'x-tenant-id': tenantId });
  const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
  const ok = (reply: Reply, status = 200): Record<string, unknown> => {
    assert.equal(reply.status, status, reply.text);
    return reply.body;
  };
  const refused = (reply: Reply, status: number, code: string): void =>
    assert.deepEqual([reply.status, reply.body['code']], [status, code], reply.text);
  async function settle(slug: string): Promise<Place> {
    const tenantId = String(ok(await app.api('POST', '/api/tenants', { name: slug, slug, type: 'team' }), 201)['id']);
    const direct = ok(
      await app.api(
        'POST',
        '/api/clients',
        { client_name: 'Direct', redirect_uris: ['https://app.test/cb'], direct_login: true, first_party: true },
        inside(tenantId),
      ),
      201,
    );
    const { token, id } = await serviceOf(tenantId, [
      'api-keys.read',
      'api-keys.write',
      'users.read',
      'users.write',
      'audit.read',
      'tokens.validate',
    ]);
    return {
      tenantId,
      direct: { id: String(direct['client_id']), secret: String(direct['client_secret']) },
      service: token,
      serviceId: id,
    };
  }
  async function serviceOf(tenantId: string, permissions: string[]): Promise<{ token: string; id: string }> {
    const made = ok(
      await app.api(
        'POST',
        '/api/clients',
        { client_name: 'Service', redirect_uris: [], response_types: [], grant_types: ['client_credentials'], permissions },
        inside(tenantId),
      ),
      201,
    );
    const id = String(made['client_id']);
    const token = await app.token(
      { grant_type: 'client_credentials', resource: `${app.issuer}/api` },
      { id, secret: String(made['client_secret']) },
    );
    return { token: String(ok(token)['access_token']), id };
  }
  /** A person of the tenant, with the role of an administrator, signed in. */
  async function administrator({ tenantId, direct }: Place): Promise<{ id: string; token: string }> {
    number += 1;
    const username = `person${number}`;
    const { id } = ok(await app.api('POST', '/api/users', { username, password: PASSWORD }, inside(tenantId)), 201);
    await giveRole(app.owner, tenantId, String(id), 'administrator');
    const login = await app.api('POST', '/api/auth/login', { username, password: PASSWORD }, basicAuth(direct));
    return { id: String(id), token: String(ok(login)['access_token']) };
  }
  const make = (token: string, body: object = {}, headers: Record<string, string> = {}): Promise<Reply> =>
    app.api('POST', '/api/api-keys', { name: 'Key', ...body }, { ...bearer(token), ...headers });
  const keyOf = async (token: string, body: object = {}): Promise<{ id: string; key: string }> => {
    const made = ok(await make(token, body), 201);
    return { id: String(made['id']), key: String(made['key']) };
  };
  const people = (key: string, headers: Record<string, string> = {}): Promise<Reply> =>
    app.api('GET', '/api/users?limit=1', undefined, { ...bearer(key), ...headers });

  const here = await settle('here');
  const there = await settle('there');
  const close = () => app?.close();
  return { app, here, there, inside, bearer, ok, refused, settle, serviceOf, administrator, make, keyOf, people, close };
}
export type ApiKeys = Awaited<ReturnType<typeof startApiKeys>>;
