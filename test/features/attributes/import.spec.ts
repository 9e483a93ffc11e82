/** Definitions hold for whoever comes by an import or an invitation, over the whole server. */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Reply, type RunningApp, startTestApp } from '#test/support/app.ts';

describe('attributes of people who are imported and invited', function () {
  this.timeout(60_000);
  let app: RunningApp;
  let tenant: Record<string, string>;

  before(async () => {
    app = await startTestApp();
    const made = await app.api('POST', '/api/tenants', { name: 'Corp', slug: 'corp', type: 'team' });
    assert.equal(made.status, 201, made.text);
    tenant = { 'x-tenant-id': String(made.body['id']) };
    const defined = await app.api('POST', '/api/attributes', { path: 'user.level', type: 'number' }, tenant);
    assert.equal(defined.status, 201, defined.text);
  });
  after(() => app?.close());

  async function ended(job: Reply): Promise<Record<string, unknown>> {
    assert.equal(job.status, 202, job.text);
    for (let tries = 0; tries < 300; tries += 1) {
      const { body } = await app.api('GET', String(job.headers.get('location')), undefined, tenant);
      if (body['status'] === 'done' || body['status'] === 'failed') return body;
      await sleep(100);
    }
    throw new Error('the import does not end');
  }

  it('are judged line by line, in a dry run too', async () => {
    const lines = [
      { username: 'right', attributes: { level: 1 } },
      { username: 'wrong', attributes: { level: 'one' } },
      { username: 'free', attributes: { other: 'one' } },
    ];
    for (const [query, people] of [
      ['?dryRun=true', 0],
      ['', 2],
    ] as const) {
      const sent = lines.map((line) => JSON.stringify(line)).join('\n');
      const done = await ended(
        await app.api('POST', `/api/users/import${query}`, sent, { ...tenant, 'content-type': 'application/x-ndjson' }),
      );
      assert.deepEqual([done['status'], done['created'], done['failed']], ['done', 2, 1]);
      const faults = await app.api('GET', `/api/users/imports/${String(done['id'])}/faults`, undefined, tenant);
      assert.deepEqual(
        (faults.body['items'] as { line: number; code: string }[]).map(({ line, code }) => [line, code]),
        [[2, 'input.invalid']],
      );
      const { rowCount } = await app.owner.query(`select 1 from users where username in ('right', 'wrong', 'free')`);
      assert.equal(rowCount, people);
    }
  });

  it('are judged before anybody is invited', async () => {
    const invite = (attributes: object): Promise<Reply> =>
      app.api('POST', `/api/tenants/${tenant['x-tenant-id']}/invitations`, { email: 'guest@example.test', attributes }, tenant);
    const refused = await invite({ level: 'one' });
    assert.deepEqual([refused.status, (refused.body['errors'] as { pointer: string }[])[0]?.pointer], [422, '/attributes/level']);
    assert.equal((await invite({ level: {} })).status, 422);
    assert.ok([201, 202].includes((await invite({ level: 1 })).status));
  });
});
