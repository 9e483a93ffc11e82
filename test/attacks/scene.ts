/** Two tenants with one of everything, and people at home in the second: one of them a member of the first as well, by an invitation they accepted. */
import assert from 'node:assert/strict';
import { basicAuth, type Reply, type RunningApp } from '#test/support/app.ts';
import { accessOf, contentsOf } from '#test/support/contents.ts';
import { type Settled, settle, signInDirect } from '#test/support/two-tenants.ts';

export const PASSWORD = 'violet cactus thunder marble';

export interface Victim {
  id: string;
  login: string;
  email: string;
  phone: string;
  password: string;
}

export interface Scene {
  a: Settled;
  b: Settled;
  /** At home in B, with a proven address, and a member of A. */
  both: Victim;
  /** At home in B, and nowhere else. */
  stranger: Victim;
  /** The owner of A, who has every right in A. */
  asA(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Reply>;
  asB(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Reply>;
  /** What B owns, and what lets its people in. */
  ofB(): Promise<Record<string, string>>;
}

export async function done(reply: Promise<Reply>, status = 200): Promise<Record<string, unknown>> {
  const { status: got, text, body } = await reply;
  assert.equal(got, status, text);
  return body;
}

/** A token of the person for our API in that tenant. */
export async function tokenOf(app: RunningApp, person: { login: string; password: string }, tenant?: string): Promise<string> {
  return String((await done(signInDirect(app, person, tenant)))['access_token']);
}

export const bearer = (token: string): Record<string, string> => ({ authorization: `Bearer ${token}` });
export const itemsOf = (reply: Reply): Record<string, unknown>[] => reply.body['items'] as Record<string, unknown>[];
export const codeOf = ({ status, body }: Reply): string => `${status} ${String(body['code'] ?? '')}`;
/** What a caller sees of an answer, less what is different each time. */
export const plain = ({ status, text }: Reply): string => `${status} ${text.replace(/"requestId":"[^"]*"/, '')}`;

export async function setUpScene(app: RunningApp): Promise<Scene> {
  const [a, b] = [await settle(app, 'a'), await settle(app, 'b')];
  const as =
    (token: string): Scene['asA'] =>
    (method, path, body, headers = {}) =>
      app.api(method, path, body, { ...bearer(token), ...headers });
  const [asA, asB] = [as(a.token), as(b.token)];
  const victim = async (name: string, phone: string): Promise<Victim> => {
    const [login, email] = [`${b.mark}.${name}`, `${name}@${b.mark}.test`];
    // By the platform, which alone says what is verified outside of proven domains.
    const input = { username: login, email, emailVerified: true, phone, phoneVerified: true, password: PASSWORD };
    const { id } = await done(app.api('POST', '/api/users', input, { 'x-tenant-id': b.tenantId }), 201);
    return { id: String(id), login, email, phone, password: PASSWORD };
  };
  const both = await victim('both', '+66811110001');
  const stranger = await victim('stranger', '+66811110002');
  await done(asA('POST', `/api/tenants/${a.tenantId}/invitations`, { email: both.email }), 201);
  const own = bearer(await tokenOf(app, both));
  const [invitation] = itemsOf(await app.api('GET', '/api/me/invitations', undefined, own));
  await done(app.api('POST', `/api/me/invitations/${String(invitation?.['id'])}/accept`, undefined, own));
  const members = (await asA('GET', `/api/tenants/${a.tenantId}/members/${both.id}`)).status;
  assert.equal(members, 200, 'the invitation was accepted');
  return {
    a,
    b,
    both,
    stranger,
    asA,
    asB,
    ofB: async () => ({ ...(await contentsOf(app.owner, b.tenantId)), ...(await accessOf(app.owner, b.tenantId)) }),
  };
}

export { basicAuth };
