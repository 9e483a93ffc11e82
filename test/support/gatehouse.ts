/** The whole server, with what tests from outside set it up with. */
import assert from 'node:assert/strict';
import { type RunningApp, startTestApp } from './app.ts';

export interface Gatehouse {
  issuer: string;
  /** Where it listens, which is the issuer unless that is another host. */
  base: string;
  /** The newest code that was mailed to the address. */
  codeFor(address: string): Promise<string>;
  createClient(metadata: object): Promise<{ client_id: string; client_secret?: string }>;
  createResource(resource: object): Promise<void>;
  /** Answers the id, which is the `sub`. */
  createUser(user: object): Promise<string>;
  close(): Promise<void>;
}

export async function startGatehouse(env: Record<string, string> = {}): Promise<Gatehouse> {
  const app: RunningApp = await startTestApp({ env });
  const create = async (path: string, body: object): Promise<Record<string, unknown>> => {
    const answer = await app.api('POST', path, body);
    assert.equal(answer.status, 201, `POST ${path}: ${answer.text}`);
    return answer.body;
  };
  return {
    issuer: app.issuer,
    base: app.browser().base,
    codeFor: app.codeFor,
    async createClient(metadata) {
      const { client_id, client_secret } = await create('/api/clients', metadata);
      return { client_id: String(client_id), ...(typeof client_secret === 'string' ? { client_secret } : {}) };
    },
    createResource: async (resource) => void (await create('/api/resources', resource)),
    createUser: async (user) => String((await create('/api/users', user))['id']),
    close: app.close,
  };
}
