/** The billing service as it may be: generous, strict, slow, dead, wrong. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { newId } from '#src/core/ids.ts';
import { type Billing, createBilling, withBilling } from '#src/features/plans/billing.ts';
import { subscriptionRoutes } from '#src/features/plans/subscription-routes.ts';
import { bookOf } from '#src/features/roles/book.ts';
import { tenantInPath } from '#src/features/tenants/in-path.ts';
import { memberRoutes } from '#src/features/tenants/members-routes.ts';
import { createOutboundFetch } from '#src/infra/outbound-http.ts';
import type { ApiAnswer, ApiHarness } from '#test/support/api.ts';
import { startTestApp } from '#test/support/app.ts';
import { startTenantApi } from '../tenants/start.ts';

describe('the billing hook', function () {
  this.timeout(30_000);
  let api: ApiHarness;
  let server: Server;
  let billing: Billing;
  let fetch: ReturnType<typeof createOutboundFetch>;
  let platform: string;
  let tenantId: string;
  let reply: (request: IncomingMessage, response: ServerResponse, question: Record<string, unknown>) => void;
  const questions: Record<string, unknown>[] = [];
  const states: string[] = [];
  const answer = (body: unknown, status = 200) => {
    reply = (_request, response) =>
      response.writeHead(status, { 'content-type': 'application/json' }).end(typeof body === 'string' ? body : JSON.stringify(body));
  };

  before(async () => {
    server = createServer((request, response) => {
      let text = '';
      request.on('data', (chunk: Buffer) => {
        text += chunk.toString();
      });
      request.on('end', () => {
        const question = JSON.parse(text) as Record<string, unknown>;
        questions.push({ ...question, authorization: request.headers.authorization });
        reply(request, response, question);
      });
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    fetch = createOutboundFetch({ allowHosts: [host] });
    api = await startTenantApi(({ deps, transact }) => {
      billing = createBilling(
        {
          url: `http://${host}/limits`,
          token: 'secret',
          fetch,
          transact,
          changed: deps.tenants.drop,
          onChange: (state) => void states.push(state),
          log: () => {},
        },
        { timeoutMs: 300, restMs: 700 },
      );
      const asking = withBilling(transact, billing);
      return [
        ...memberRoutes({ ...deps, transact: asking, bookOf }),
        ...subscriptionRoutes({
          db: deps.db,
          transact: asking,
          changed: deps.tenants.drop,
          confirm: billing.confirm,
          inTenant: (scope, id) => tenantInPath(deps, scope, id),
        }),
      ];
    });
    platform = api.tokenOf({ tenantId: api.rootTenantId });
  });
  after(async () => {
    await api?.close();
    billing.close();
    await fetch.close();
    server.closeAllConnections();
    server.close();
  });
  beforeEach(async () => {
    tenantId = newId();
    await api.owner.query(`insert into tenants (id, slug, name, type) values ($1, $2, 'T', 'team')`, [tenantId, `t-${tenantId}`]);
    await api.owner.query(`insert into tenant_limits (tenant_id, limits) values ($1, '{"members": 1, "apiKeys": 4}')`, [tenantId]);
    await api.owner.query('select apply_limits($1)', [tenantId]);
    const first = await add();
    assert.equal(first.status, 201, first.text);
    questions.length = 0;
    states.length = 0;
  });
  const add = async (): Promise<ApiAnswer> => {
    const userId = newId();
    await api.owner.query('insert into users (id, home_tenant_id) values ($1, $2)', [userId, api.tenants[1]]);
    return api.call(platform, `POST /api/tenants/${tenantId}/members`, { body: { userId } });
  };
  const code = ({ status, body }: ApiAnswer) => [status, body['code']];
  const rows = async (type: string): Promise<number> =>
    (await api.owner.query('select count(*)::int as count from audit_events where tenant_id = $1 and type = $2', [tenantId, type])).rows[0]
      .count;

  it('is asked with what is used and wanted, and its limits let the command through, which happens once', async () => {
    answer({ limits: { members: 3 } });
    const made = await add();
    assert.equal(made.status, 201, made.text);
    assert.deepEqual(questions, [{ tenantId, metric: 'members', used: 1, limit: 1, wanted: 2, authorization: 'Bearer secret' }]);
    assert.deepEqual([await rows('membership.created'), await rows('tenant.limits_changed')], [2, 1]);
    const { body } = await api.call(platform, `GET /api/tenants/${tenantId}/limits`);
    assert.deepEqual(body['effective'], { members: 3, apiKeys: 4 });
    assert.equal((await add()).status, 201, 'within the new limit nobody is asked');
    assert.equal(questions.length, 1);
  });

  it('may allow one more, or refuse, and many at once stay exact', async () => {
    answer({ allow: true });
    assert.equal((await add()).status, 201);
    answer({ allow: false });
    assert.deepEqual(code(await add()), [409, 'limit.reached']);
    answer({ limits: { members: 5 } });
    const many = [];
    for (let n = 0; n < 10; n += 1) many.push(newId());
    for (const id of many) await api.owner.query('insert into users (id, home_tenant_id) values ($1, $2)', [id, api.tenants[1]]);
    const answers = await Promise.all(
      many.map((userId) => api.call(platform, `POST /api/tenants/${tenantId}/members`, { body: { userId } })),
    );
    assert.equal(answers.filter(({ status }) => status === 201).length, 3);
    assert.ok(answers.every(({ status, body }) => status === 201 || String(body['code']) === 'limit.reached'));
  });

  it('decides about plans, and where it does not answer they are as asked for', async () => {
    const planId = newId();
    await api.owner.query('insert into plans (id, name) values ($1, $2)', [planId, planId]);
    const subscribe = () => api.call(platform, `PUT /api/tenants/${tenantId}/subscription`, { body: { planId } });
    answer({ allow: false });
    assert.deepEqual(code(await subscribe()), [409, 'billing.refused']);
    assert.equal(questions[0]!['planId'], planId);
    answer('not json');
    assert.equal((await subscribe()).status, 200);
  });

  for (const [what, body, status] of [
    ['what is no JSON', '<html>', 200],
    ['a limit that is none', { limits: { members: 'many' } }, 200],
    ['a limit that is not enough', { limits: { members: 1 } }, 200],
    ['what nobody asked for', { limits: { elephants: 3 } }, 200],
    ['an error', { limits: { members: 9 } }, 500],
  ] as const)
    it(`leaves what is stored to decide where it answers ${what}`, async () => {
      // Each begins with a circuit that is closed.
      await closeCircuit();
      answer(body, status);
      assert.deepEqual(code(await add()), [409, 'limit.reached']);
    });

  async function closeCircuit(): Promise<void> {
    answer({});
    for (let tries = 0; billing.state() !== 'closed' && tries < 40; tries += 1) {
      await new Promise((resolve) => setTimeout(resolve, 100));
      await add();
    }
    assert.equal(billing.state(), 'closed');
  }

  it('is left alone after failures, so that commands are refused at once, and tried again later', async () => {
    await closeCircuit();
    states.length = 0;
    // Says nothing.
    reply = () => {};
    for (let tries = 0; tries < 10 && billing.state() === 'closed'; tries += 1) assert.deepEqual(code(await add()), [409, 'limit.reached']);
    assert.equal(billing.state(), 'open');
    questions.length = 0;
    const began = performance.now();
    assert.deepEqual(code(await add()), [409, 'limit.reached']);
    assert.ok(performance.now() - began < 250, 'nobody waits for it');
    assert.equal(questions.length, 0);
    await new Promise((resolve) => setTimeout(resolve, 800));
    answer({ limits: { members: 50 } });
    assert.equal((await add()).status, 201);
    assert.deepEqual(states, ['open', 'half_open', 'closed']);
  });
});

describe('a server with BILLING_URL', function () {
  this.timeout(60_000);

  it('asks there before an invitation or a key is refused by a limit', async () => {
    const asked: string[] = [];
    const server = createServer((request, response) => {
      let text = '';
      request.on('data', (chunk: Buffer) => {
        text += chunk.toString();
      });
      request.on('end', () => {
        const { metric } = JSON.parse(text) as { metric: string };
        asked.push(`${metric} ${request.headers.authorization}`);
        response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ allow: metric === 'apiKeys' }));
      });
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const app = await startTestApp({
      env: { BILLING_URL: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`, BILLING_TOKEN: 'secret' },
    });
    try {
      const made = await app.api('POST', '/api/tenants', { name: 'Paying' });
      const id = String(made.body['id']);
      await app.api('PUT', `/api/tenants/${id}/limits`, { limits: { invitations: 0, apiKeys: 0 } });
      const key = await app.api('POST', '/api/api-keys', { name: 'Key', permissions: ['users.read'] }, { 'x-tenant-id': id });
      assert.equal(key.status, 201, key.text);
      const invited = await app.api('POST', `/api/tenants/${id}/invitations`, { email: 'a@example.test' });
      assert.deepEqual([invited.status, invited.body['code']], [409, 'limit.reached']);
      assert.deepEqual(asked, ['apiKeys Bearer secret', 'invitations Bearer secret']);
    } finally {
      await app.close();
      server.closeAllConnections();
      server.close();
    }
  });
});
