import { randomUUID } from 'node:crypto';
import { browserDoor, type Door, directDoor, loginMethodContract } from '../contract/login-method.ts';
import { createHarness, type Harness, PASSWORD } from './harness.ts';
import { type Site, startSite } from './site.ts';

const isSite = (h: Harness): h is Site => 'url' in h;
const siteOf = (h: Harness): Site => {
  if (!isSite(h)) throw new Error('this door needs a server');
  return h;
};

const pages: Door = {
  name: 'the pages over HTTP',
  refused: 422,
  async attempt(h, scope, _methodId, input) {
    const visitor = siteOf(h).visitor(scope.request.address);
    await visitor.signIn('app');
    const uid = new URL(visitor.at!.url).pathname.split('/')[2]!;
    const csrf = /name="_csrf" value="([^"]+)"/.exec(visitor.at!.text)![1]!;
    const response = await visitor.send(input);
    const text = (await response.text())
      .replaceAll(uid, 'UID')
      .replaceAll(csrf, 'CSRF')
      .replaceAll(input['login'] || 'LOGIN', 'LOGIN');
    return { ok: response.headers.get('location')?.includes('/auth/') ?? false, status: response.status, bytes: text };
  },
};

const api: Door = {
  name: 'POST /api/auth/login',
  async attempt(h, scope, _methodId, { login, ...input }) {
    const response = await fetch(`${siteOf(h).url}/api/auth/login`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-forwarded-for': scope.request.address, 'x-request-id': 'test' },
      body: JSON.stringify({ client_id: 'app', ...(login === undefined ? {} : { username: login }), ...input }),
    });
    return { ok: response.status === 200, status: response.status, bytes: response.status === 200 ? '' : await response.text() };
  },
};

const fixture = {
  id: 'password',
  enrolled: (h: Harness, options?: { status?: 'active' | 'disabled' }) => h.addPerson({ password: PASSWORD, ...options }),
  right: ({ email }: { email: string }) => ({ login: email, password: PASSWORD }),
  wrong: ({ email }: { email: string }) => ({ login: email, password: 'a wrong password' }),
  unknown: () => ({ login: `${randomUUID()}@example.com`, password: 'a wrong password' }),
};

describe('sign-in by password keeps the contract of login methods', () => {
  loginMethodContract({ ...fixture, create: () => createHarness() }, [browserDoor, directDoor]);
  const create = async (): Promise<Site> => {
    const site = await startSite();
    await site.addClient('app', { directLogin: true });
    return site;
  };
  loginMethodContract({ ...fixture, create }, [pages, api]);
});
