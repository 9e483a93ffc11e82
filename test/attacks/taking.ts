import { randomUUID } from 'node:crypto';
import { type Reply, startTestApp } from '#test/support/app.ts';
import { PASSWORD, setUpScene, type Victim } from './scene.ts';

/** Everything the specs of it begin with; `close` ends it. */
export async function startTaking() {
  const app = await startTestApp();
  const s = await setUpScene(app);

  /** Every way to lay hands on the person themselves. */
  const grips = (id: string): [string, string, unknown?][] => [
    ['PATCH', `/api/users/${id}`, { password: 'another horse battery staple' }],
    ['PUT', `/api/users/${id}`, { password: 'another horse battery staple', passwordMustChange: false }],
    ['PATCH', `/api/users/${id}`, { email: 'mine@evil.test' }],
    ['PATCH', `/api/users/${id}`, { email: null }],
    ['PATCH', `/api/users/${id}`, { emailVerified: false }],
    ['PATCH', `/api/users/${id}`, { phone: '+66899999999' }],
    ['PATCH', `/api/users/${id}`, { phoneVerified: true }],
    ['PATCH', `/api/users/${id}`, { username: 'taken-over' }],
    ['PATCH', `/api/users/${id}`, { status: 'disabled' }],
    ['PATCH', `/api/users/${id}`, { verification: { level: 'high', method: 'said', verifiedAt: '2026-01-01T00:00:00Z' } }],
    ['PUT', `/api/users/${id}/profile`, { givenName: 'Mallory' }],
    ['PUT', `/api/users/${id}/settings`, { theme: 'dark' }],
    ['GET', `/api/users/${id}/settings`],
    ['GET', `/api/users/${id}/factors`],
    ['DELETE', `/api/users/${id}/factors`],
    ['GET', `/api/users/${id}/sessions`],
    ['DELETE', `/api/users/${id}/sessions`],
    ['DELETE', `/api/users/${id}/sessions/nobody-has-this-sid`],
    ['GET', `/api/users/${id}/grants`],
    ['DELETE', `/api/users/${id}/grants`],
    ['DELETE', `/api/users/${id}/grants/${s.b.ids['clients']}`],
    ['DELETE', `/api/users/${id}/tenants/${s.b.tenantId}`],
    ['DELETE', `/api/tenants/${s.b.tenantId}/members/${id}`],
    ['PATCH', `/api/tenants/${s.b.tenantId}/members/${id}`, { roles: ['owner'] }],
    ['POST', `/api/roles/${s.b.ids['roles']}/assign`, { userId: id }],
    ['POST', `/api/groups/${s.b.ids['groups']}/members`, { userId: id }],
  ];
  const names = (of: Victim, other: { login: string; email: string; phone: string }): [string, object, object][] => [
    ['a phone number', { username: `fresh-${randomUUID()}`, phone: of.phone }, { username: `fresh-${randomUUID()}`, phone: other.phone }],
    ['an address', { email: of.email }, { email: other.email }],
    ['an address and a password', { email: of.email, password: PASSWORD }, { email: other.email, password: PASSWORD }],
  ];
  const shapeOf = ({ status, body }: Reply): string => `${status} ${Object.keys(body).sort().join()} ${String(body['code'] ?? '')}`;

  const close = () => app?.close();
  return { app, s, grips, names, shapeOf, close };
}
export type Taking = Awaited<ReturnType<typeof startTaking>>;
