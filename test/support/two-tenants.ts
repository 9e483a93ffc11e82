/** Two tenants, each with an owner and one of everything, whose names all carry a word that is in nothing of the other's. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { basicAuth, type Reply, type RunningApp } from './app.ts';

export interface Settled {
  tenantId: string;
  slug: string;
  /** In every name of this tenant's, and in nothing else. */
  mark: string;
  owner: { id: string; login: string; password: string };
  /** An access token of the owner's, for our API. */
  token: string;
  /** By what comes before the parameter in a path: `roles` of `/api/roles/{id}`. */
  ids: Readonly<Record<string, string>>;
}

/** A client that signs people in by their password, of the root tenant: for members of any. */
export async function addDirectClient(app: RunningApp): Promise<void> {
  const made = await app.api('POST', '/api/clients', {
    client_name: 'Direct',
    redirect_uris: ['http://127.0.0.1:9/cb'],
    grant_types: ['authorization_code', 'refresh_token'],
    direct_login: true,
    first_party: true,
  });
  assert.equal(made.status, 201, made.text);
  directClients.set(app, { id: String(made.body['client_id']), secret: String(made.body['client_secret']) });
}
const directClients = new WeakMap<RunningApp, { id: string; secret: string }>();

/** Tokens of a person for our API, in the tenant that is named or fits. */
export async function signInDirect(app: RunningApp, person: { login: string; password: string }, tenant?: string): Promise<Reply> {
  if (!directClients.has(app)) await addDirectClient(app);
  const body = { username: person.login, password: person.password, ...(tenant === undefined ? {} : { tenant }) };
  return app.api('POST', '/api/auth/login', body, basicAuth(directClients.get(app)!));
}

/** Makes a tenant with an owner and one of everything. */
export async function settle(app: RunningApp, name: string): Promise<Settled> {
  const mark = `only-${name}-${randomBytes(4).toString('hex')}`;
  const make = async (
    path: string,
    body: unknown,
    headers: Record<string, string> = {},
    status = 201,
  ): Promise<Record<string, unknown>> => {
    const made = await app.api('POST', path, body, headers);
    assert.equal(made.status, status, `POST ${path}: ${made.text}`);
    return made.body;
  };
  const id = (body: Record<string, unknown>, member = 'id'): string => String(body[member]);

  const tenantId = id(await make('/api/tenants', { name: mark, slug: mark, type: 'enterprise' }));
  const inside = { 'x-tenant-id': tenantId };
  const owner = { login: `${mark}.owner`, password: 'violet cactus thunder marble' };
  const ownerId = id(await make('/api/users', { username: owner.login, password: owner.password }, inside));
  const roles = (await app.api('GET', '/api/roles?roleName=owner', undefined, inside)).body['items'] as { id: string }[];
  await make(`/api/roles/${roles[0]!.id}/assign`, { userId: ownerId }, inside, 200);
  const signedIn = await signInDirect(app, owner);
  assert.equal(signedIn.status, 200, signedIn.text);
  const token = id(signedIn.body, 'access_token');
  // From here on the owner does it, as in life.
  const own = { authorization: `Bearer ${token}` };

  const user = id(
    await make('/api/users', { username: `${mark}.user`, password: owner.password, givenName: mark, attributes: { desk: mark } }, own),
  );
  const role = id(await make('/api/roles', { roleName: `${mark}.role`, permissions: ['users.read'] }, own));
  await make(`/api/roles/${role}/assign`, { userId: user }, own, 200);
  const group = id(await make('/api/groups', { name: `${mark}.group` }, own));
  await make(`/api/groups/${group}/members`, { userId: user }, own, 200);
  const attributeGroup = id(await make('/api/attribute-groups', { name: `${mark}.attributes` }, own));
  const attribute = id(
    await make('/api/attributes', { path: 'user.desk', type: 'string', attributeGroupId: attributeGroup, description: mark }, own),
  );
  const client = await make('/api/clients', { client_name: mark, redirect_uris: [`https://${mark}.example/cb`] }, own);
  const secret = id(await make(`/api/clients/${id(client, 'client_id')}/secrets`, {}, own));
  const resource = id(
    await make('/api/resources', { identifier: `https://${mark}.example/api`, name: mark, scopes: [{ name: `${mark}.read` }] }, own),
  );
  const apiKey = id(await make('/api/api-keys', { name: mark, permissions: ['users.read'] }, own));
  const invitation = id(await make(`/api/tenants/${tenantId}/invitations`, { email: `${mark}@elsewhere.example` }, own));
  const domain = id(await make(`/api/tenants/${tenantId}/domains`, { domain: `${mark}.example` }, own));
  const ipRule = id(await make(`/api/tenants/${tenantId}/ip-rules`, { cidr: '203.0.113.0/24', action: 'deny', description: mark }, own));
  const notice = id(await make('/api/notices', { kind: 'terms', label: mark, url: `https://${mark}.example/terms` }, own));
  const connection = id(
    await make(
      '/api/connections',
      { kind: 'oidc', name: mark, clientId: mark, clientSecret: 'secret', issuer: `https://${mark}.example` },
      own,
    ),
  );
  const imported = await app.api('POST', '/api/users/import?dryRun=true', `{"username":"${mark}.imported"}\n`, {
    ...own,
    'content-type': 'application/x-ndjson',
  });
  assert.equal(imported.status, 202, imported.text);
  const theirs = await signInDirect(app, { login: `${mark}.user`, password: owner.password });
  const current = (await app.api('GET', '/api/sessions/current', undefined, { authorization: `Bearer ${id(theirs.body, 'access_token')}` }))
    .body;
  const factors = (await app.api('GET', `/api/users/${user}/factors`, undefined, own)).body['items'] as { id: string }[];
  const events = (await app.api('GET', '/api/audit-events?limit=1', undefined, own)).body['items'] as { id: string }[];
  return {
    tenantId,
    slug: mark,
    mark,
    owner: { ...owner, id: ownerId },
    token,
    ids: {
      // Not the owner, whose token does all of it.
      users: user,
      members: user,
      roles: role,
      groups: group,
      attributes: attribute,
      'attribute-groups': attributeGroup,
      clients: id(client, 'client_id'),
      secrets: secret,
      resources: resource,
      'api-keys': apiKey,
      tenants: tenantId,
      invitations: invitation,
      domains: domain,
      'ip-rules': ipRule,
      connections: connection,
      notices: notice,
      imports: id(imported.body),
      sessions: id(current),
      grants: id(client, 'client_id'),
      factors: factors[0]!.id,
      'audit-events': events[0]!.id,
    },
  };
}
