/** An owner of one tenant, with every right in it, against people at home in another: one who belongs to both, and one who does not. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { performance } from 'node:perf_hooks';
import type { Reply } from '#test/support/app.ts';
import { signInDirect } from '#test/support/two-tenants.ts';
import { codeOf, done, itemsOf, PASSWORD, plain } from './scene.ts';
import { startTaking, type Taking } from './taking.ts';

describe('taking people over from another tenant', function () {
  this.timeout(120_000);
  let app: Taking['app'];
  let s: Taking['s'];
  let grips: Taking['grips'];
  let names: Taking['names'];
  let shapeOf: Taking['shapeOf'];
  let close: Taking['close'] | undefined;

  before(async () => {
    ({ app, s, grips, names, shapeOf, close } = await startTaking());
  });
  after(() => close?.());

  it('changes nothing of who belongs to both, and tells the owner nothing but that they are at home elsewhere', async () => {
    const before = await s.ofB();
    for (const [method, path, body] of grips(s.both.id)) {
      const answer = await s.asA(method, path, body);
      assert.match(
        codeOf(answer),
        /^(403 user\.(not_home|verification_forbidden)|404 \w+\.not_found)$/,
        `${method} ${path} ${JSON.stringify(body)}: ${answer.text}`,
      );
    }
    assert.deepEqual(await s.ofB(), before);
    assert.equal((await signInDirect(app, s.both, s.b.slug)).status, 200, 'and they come in as before');
  });

  it('answers for who does not belong, with and without X-Tenant-Id, as for nobody, to the byte', async () => {
    const before = await s.ofB();
    const nobody = grips(randomUUID());
    for (const [at, [method, path, body]] of grips(s.stranger.id).entries())
      for (const headers of [{}, { 'x-tenant-id': s.b.tenantId }, { 'x-tenant-id': s.b.slug }]) {
        const [theirs, unknown] = [await s.asA(method, path, body, headers), await s.asA(method, nobody[at]![1], body, headers)];
        assert.equal(theirs.status, 404, `${method} ${path}: ${theirs.text}`);
        assert.equal(plain(theirs), plain(unknown), `${method} ${path}`);
        assert.equal(theirs.headers.get('content-length'), unknown.headers.get('content-length'));
      }
    assert.deepEqual(await s.ofB(), before);
  });

  it('takes no more time for who belongs elsewhere than for nobody', async () => {
    const timed = async (id: string): Promise<number> => {
      const began = performance.now();
      await s.asA('PATCH', `/api/users/${id}`, { password: 'another horse battery staple' });
      return performance.now() - began;
    };
    const median = (all: number[]): number => all.sort((one, other) => one - other)[Math.floor(all.length / 2)]!;
    const [theirs, nobodys]: [number[], number[]] = [[], []];
    for (let round = 0; round < 15; round += 1) {
      theirs.push(await timed(s.stranger.id));
      nobodys.push(await timed(randomUUID()));
    }
    const [known, unknown] = [median(theirs), median(nobodys)];
    assert.ok(known < unknown * 5 + 5 && unknown < known * 5 + 5, `${known} ms and ${unknown} ms`);
  });

  it('ends, deleted from the other tenant, with the membership there and nothing else', async () => {
    const before = await s.ofB();
    const { id } = await done(
      app.api('POST', '/api/users', { username: `${s.b.mark}.visitor`, password: PASSWORD }, { 'x-tenant-id': s.b.tenantId }),
      201,
    );
    await done(app.api('POST', `/api/tenants/${s.a.tenantId}/members`, { userId: id }), 201);
    const visitor = { login: `${s.b.mark}.visitor`, password: PASSWORD };
    await done(s.asA('DELETE', `/api/users/${String(id)}`));
    assert.equal((await s.asA('GET', `/api/users/${String(id)}`)).status, 404);
    assert.equal((await signInDirect(app, visitor, s.b.slug)).status, 200);
    await done(s.asB('DELETE', `/api/users/${String(id)}`));
    const after = await s.ofB();
    for (const table of ['roles', 'groups', 'credentials', 'users', 'memberships']) assert.equal(after[table], before[table], table);
  });

  it('learns by no new person who has an address or a number elsewhere', async () => {
    const before = await s.ofB();
    let n = 0;
    for (const [what, known] of names(s.stranger, { login: '', email: '', phone: '' })) {
      n += 1;
      const other = { login: '', email: `nobody-${n}@${s.b.mark}.test`, phone: `+6681222000${n}` };
      const unknown = names(s.stranger, other).find(([name]) => name === what)![2];
      const [one, two] = [await s.asA('POST', '/api/users', known), await s.asA('POST', '/api/users', unknown)];
      assert.equal(shapeOf(one), shapeOf(two), `${what}: ${one.text}`);
      assert.ok(one.status < 300, `${what}: ${one.text}`);
    }
    assert.deepEqual(await s.ofB(), before);
    assert.equal(
      (await signInDirect(app, { login: s.stranger.phone, password: PASSWORD }, s.b.slug)).status,
      200,
      'the number is still theirs',
    );
  });

  it('learns by no change of its own people who has an address or a number elsewhere', async () => {
    const { id } = await done(s.asA('POST', '/api/users', { username: `own-${s.a.mark}` }), 201);
    for (const [known, unknown] of [
      [{ email: s.stranger.email }, { email: `nobody@${s.b.mark}.test` }],
      [{ phone: s.stranger.phone }, { phone: '+66812220099' }],
    ]) {
      const [one, two] = [
        await s.asA('PATCH', `/api/users/${String(id)}`, known),
        await s.asA('PATCH', `/api/users/${String(id)}`, unknown),
      ];
      assert.equal(`${one.status} ${String(one.body['code'])}`, `${two.status} ${String(two.body['code'])}`, one.text);
    }
  });

  it('learns and changes nothing by an import of the same names', async () => {
    const before = await s.ofB();
    const lines = [
      { email: s.stranger.email, password: PASSWORD, roles: ['member'] },
      { email: `nobody-imported@${s.b.mark}.test`, password: PASSWORD, roles: ['member'] },
      { username: 'imported-one', phone: s.stranger.phone, password: PASSWORD },
      { username: 'imported-two', phone: '+66812220077', password: PASSWORD },
      { id: s.both.id, username: 'imported-three' },
      { username: 'imported-four', homeTenantId: s.b.tenantId },
    ];
    const answer = await s.asA('POST', '/api/users/import', lines.map((line) => JSON.stringify(line)).join('\n'), {
      'content-type': 'application/x-ndjson',
    });
    const job = await done(Promise.resolve(answer), 202);
    let state: Record<string, unknown> = {};
    for (let tries = 0; tries < 100 && state['status'] !== 'done'; tries += 1) {
      await new Promise((resolve) => setTimeout(resolve, 100));
      state = (await s.asA('GET', `/api/users/imports/${String(job['id'])}`)).body;
    }
    const faults = itemsOf(await s.asA('GET', `/api/users/imports/${String(job['id'])}/faults`));
    assert.deepEqual(
      faults.map(({ line }) => line),
      [5, 6],
      JSON.stringify(faults),
    );
    assert.deepEqual([state['status'], state['invited'], state['created'], state['failed']], ['done', 2, 2, 2]);
    assert.deepEqual(await s.ofB(), before);
  });

  it('gets nobody in by an invitation that the person does not accept themselves', async () => {
    const before = await s.ofB();
    const listed = async (): Promise<Reply> => s.asA('GET', `/api/tenants/${s.a.tenantId}/members?limit=200`);
    const path = `/api/tenants/${s.a.tenantId}/invitations`;
    const email = `invited@${s.b.mark}.test`;
    const { id } = await done(
      app.api(
        'POST',
        '/api/users',
        { username: `${s.b.mark}.invited`, email, emailVerified: true, password: PASSWORD },
        { 'x-tenant-id': s.b.tenantId },
      ),
      201,
    );
    const made = await s.asA('POST', path, { email, roles: ['owner'] });
    assert.equal(made.status, 201, made.text);
    assert.ok(!made.text.includes(String(id)), 'nothing says who that is');
    assert.ok(!(await listed()).text.includes(String(id)));
    assert.equal((await s.asA('GET', `/api/users/${String(id)}`)).status, 404);
    for (const body of [{ userId: id }, { userIds: [id] }]) {
      const grant = await s.asA('POST', `/api/roles/${s.a.ids['roles']}/assign`, body);
      assert.equal(grant.status, 422, grant.text);
    }
    // Nobody accepts in their name.
    const accept = await s.asA('POST', `/api/me/invitations/${String(made.body['id'])}/accept`);
    assert.ok([403, 404].includes(accept.status), accept.text);
    await done(s.asB('DELETE', `/api/users/${String(id)}`));
    assert.equal((await s.ofB())['users'], before['users']);
  });

  it('takes no domain that the other has proven, and none of its slug', async () => {
    const domain = `proven-${s.b.mark}.example`;
    await done(app.api('POST', `/api/tenants/${s.b.tenantId}/domains`, { domain, verified: true }), 201);
    const before = await s.ofB();
    const claimed = await s.asA('POST', `/api/tenants/${s.a.tenantId}/domains`, { domain });
    const [theirs, nobodys] = [
      claimed,
      await s.asA('POST', `/api/tenants/${s.a.tenantId}/domains`, { domain: `free-${s.b.mark}.example` }),
    ];
    assert.equal(theirs.status, nobodys.status, `claiming tells nothing: ${theirs.text}`);
    assert.equal((await s.asA('POST', '/api/users', { email: `x@${domain}`, emailVerified: true })).status, 403);
    assert.equal((await s.asA('POST', '/api/users', { email: `x@${domain}` })).status, 202, 'an invitation, nothing else');
    const verified = await s.asA('POST', `/api/tenants/${s.a.tenantId}/domains`, { domain: `other-${s.b.mark}.example`, verified: true });
    assert.ok(verified.status === 403 || verified.status === 422, verified.text);
    assert.equal((await s.asA('PATCH', `/api/tenants/${s.a.tenantId}`, { slug: s.b.slug })).status, 409);
    assert.equal((await s.asA('PATCH', `/api/tenants/${s.a.tenantId}`, { slug: s.b.tenantId })).status, 422);
    assert.equal((await s.asA('PATCH', `/api/tenants/${s.a.tenantId}`, { slug: s.b.slug.toUpperCase() })).status, 422);
    assert.deepEqual(await s.ofB(), before);
  });
});
