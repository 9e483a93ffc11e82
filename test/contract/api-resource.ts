/** What every resource of the API has to hold; run it for each. */
import assert from 'node:assert/strict';
import { newId } from '#src/core/ids.ts';
import type { ApiAnswer, ApiHarness, CallOptions, Loose } from '#test/support/api.ts';
import { takeViolations } from '#test/support/openapi-guard.ts';

export interface ApiResource {
  /** `/api/users` */
  path: string;
  permissions: { read: string; write: string };
  start(): Promise<ApiHarness>;
  /** The name of the member that holds the id; `id` where nothing is said. */
  idMember?: string;
  /** Of what an id is made: an unknown one that looks right. A UUID where nothing is said. */
  unknownId?(): string;
  /** A body that can be created; of another number, another. */
  valid(number: number): Record<string, unknown>;
  /** A body for PATCH and PUT that changes something, and what is then read. */
  change: Record<string, unknown>;
  /** Bodies that are 422, by what is wrong with them. */
  invalid: Readonly<Record<string, Record<string, unknown>>>;
  /** The code of the 409 where the same body is created again; undefined where it can be. */
  takenCode?: string;
  /** A text member that takes nearly anything. */
  textMember: string;
  /** Methods that an item has not. */
  without?: readonly ('PUT' | 'PATCH' | 'DELETE')[];
  /** The path names the tenant: another tenant's list is 404, and the platform acts in it without a header. */
  nested?: boolean;
  /** Acts in the root tenant instead of an ordinary one. */
  ofRoot?: boolean;
}

/** Declares the suite; `resource.start` makes a harness with the routes mounted. */
export function describeApiResource(resource: ApiResource): void {
  const { path, permissions, idMember = 'id', unknownId = () => newId(), valid, change, without = [] } = resource;
  const has = (method: 'PUT' | 'PATCH' | 'DELETE'): boolean => !without.includes(method);
  /** What a resource has no part in is no test of it: nothing is skipped. */
  const where = (applies: boolean): ((title: string, prove: () => Promise<void>) => void) => (applies ? it : () => {});

  describe(`${path} as a resource of the API`, () => {
    let api: ApiHarness;
    let token: string;
    let tenantId: string;
    let otherTenantId: string;
    let number = 0;

    before(async function () {
      this.timeout(60_000);
      api = await resource.start();
      tenantId = resource.ofRoot ? api.rootTenantId : api.tenants[0];
      otherTenantId = api.tenants[1];
      token = api.tokenOf({ tenantId });
    });
    after(() => api?.close());
    afterEach(() => assert.deepEqual(takeViolations(), []));

    const call = (signature: string, options?: CallOptions, as: string | undefined = token): Promise<ApiAnswer> =>
      api.call(as, signature, options);
    const next = (): Record<string, unknown> => valid(++number);
    const idOf = (item: Loose | undefined): string => String(item?.[idMember]);
    const item = (id: string): string => `${path}/${encodeURIComponent(id)}`;
    const create = async (): Promise<{ id: string; body: Loose; etag: string; sent: Record<string, unknown> }> => {
      const sent = next();
      const made = await call(`POST ${path}`, { body: sent });
      assert.equal(made.status, 201, made.text);
      return { id: idOf(made.body), body: made.body, etag: made.headers.get('etag') ?? '', sent };
    };
    const auditCount = async (): Promise<number> => {
      const { rows } = await api.owner.query(`select count(*)::int as count from audit_events where outcome = 'success'`);
      return rows[0].count;
    };
    const problem = (answer: ApiAnswer, status: number, code?: string): void => {
      assert.equal(answer.status, status, answer.text);
      assert.equal(answer.headers.get('content-type'), 'application/problem+json; charset=utf-8');
      assert.equal(answer.body['status'], status);
      assert.ok(answer.body['requestId'] && answer.body['title'] && answer.body['type']);
      if (code) assert.equal(answer.body['code'], code);
    };
    /** Runs `work` and checks how many changes were recorded meanwhile. */
    const recording = async <T>(count: number, work: () => Promise<T>): Promise<T> => {
      const before = await auditCount();
      const result = await work();
      assert.equal((await auditCount()) - before, count, 'audit rows');
      return result;
    };
    const writes = (id: string): [string, CallOptions][] => [
      [`POST ${path}`, { body: next() }],
      ...(has('PUT') ? [[`PUT ${item(id)}`, { body: change }] as [string, CallOptions]] : []),
      ...(has('PATCH') ? [[`PATCH ${item(id)}`, { body: change }] as [string, CallOptions]] : []),
      ...(has('DELETE') ? [[`DELETE ${item(id)}`, {}] as [string, CallOptions]] : []),
    ];

    it('creates, and records it once; what was created can be read and is listed', async () => {
      const made = await recording(1, create);
      const read = await call(`GET ${item(made.id)}`);
      assert.equal(read.status, 200);
      assert.equal(read.headers.get('etag'), made.etag);
      assert.match(made.etag, /^"[^"]+"$/);
      for (const name of Object.keys(read.body)) if (name in made.body) assert.deepEqual(read.body[name], made.body[name]);
      const list = await call(`GET ${path}?limit=200`);
      assert.ok(items(list).some((entry) => idOf(entry) === made.id));
      assert.equal(read.headers.get('cache-control'), 'no-store');
    });

    it('answers 304 to whoever has the version, and HEAD without a body', async () => {
      const { id, etag } = await create();
      const same = await call(`GET ${item(id)}`, { headers: { 'if-none-match': etag } });
      assert.deepEqual([same.status, same.text, same.headers.get('etag')], [304, '', etag]);
      const head = await call(`HEAD ${item(id)}`);
      assert.deepEqual([head.status, head.text], [200, '']);
    });

    it('answers 401 without a token and with a bad one, and records the bad one', async () => {
      const { id } = await create();
      for (const [signature, options] of [...writes(id), [`GET ${path}`, {}] as const, [`GET ${item(id)}`, {}] as const]) {
        const none = await api.call(undefined, signature, options);
        problem(none, 401, 'token.missing');
        assert.ok(none.headers.get('www-authenticate'));
        const bad = await api.call('bad', signature, options);
        problem(bad, 401);
        assert.match(bad.headers.get('www-authenticate') ?? '', /invalid_token/);
      }
      const { rows } = await api.owner.query(`select count(*)::int as count from audit_events where type = 'token.refused'`);
      assert.equal(rows[0].count, writes(id).length + 2);
    });

    it('answers 403 without the permission, changes nothing and records the refusal', async () => {
      const { id } = await create();
      const powerless = api.tokenOf({ tenantId, permissions: [] });
      const reader = api.tokenOf({ tenantId, permissions: [permissions.read] });
      await recording(0, async () => {
        for (const [signature, options] of writes(id)) problem(await call(signature, options, reader), 403, 'permission.missing');
        problem(await call(`GET ${path}`, {}, powerless), 403, 'permission.missing');
        problem(await call(`GET ${item(id)}`, {}, powerless), 403, 'permission.missing');
      });
      assert.equal((await call(`GET ${item(id)}`, {}, reader)).status, 200);
      const { rows } = await api.owner.query(`select data from audit_events where type = 'permission.refused'`);
      assert.ok(
        rows.some(({ data }) => data.permission === permissions.write) && rows.some(({ data }) => data.permission === permissions.read),
      );
    });

    it('answers 404 for an id that is unknown or none, before the body is judged', async () => {
      for (const id of [unknownId(), 'nonsense', '%00', '..%2f..', "'%20or%201=1--", 'x'.repeat(300)]) {
        problem(await call(`GET ${path}/${id}`), 404);
        for (const method of ['PUT', 'PATCH', 'DELETE'] as const)
          if (has(method)) problem(await call(`${method} ${path}/${id}`, method === 'DELETE' ? {} : { body: '{"broken' }), 404);
      }
    });

    it('answers 405 with the methods there are', async () => {
      const answer = await call(`DELETE ${path}`);
      problem(answer, 405, 'method.not_allowed');
      assert.match(answer.headers.get('allow') ?? '', /GET.*HEAD.*POST/);
    });

    where(!resource.ofRoot)('shows another tenant nothing, and lets it change nothing', async () => {
      const { id } = await create();
      const foreign = api.tokenOf({ tenantId: otherTenantId });
      await recording(0, async () => {
        for (const [signature, options] of [...writes(id).slice(1), [`GET ${item(id)}`, {}] as const])
          problem(await call(signature, options, foreign), 404);
        const list = await call(`GET ${path}?limit=200`, {}, foreign);
        if (resource.nested) problem(list, 404, 'tenant.not_found');
        else assert.ok(!items(list).some((entry) => idOf(entry) === id));
        problem(await call(`GET ${path}`, { headers: { 'x-tenant-id': tenantId } }, foreign), 404);
      });
      assert.equal((await call(`GET ${item(id)}`)).status, 200);
    });

    where(!resource.ofRoot)('lets a platform administrator act in a tenant by X-Tenant-Id, and in no unknown one', async () => {
      const { id } = await create();
      const platform = api.tokenOf({ tenantId: api.rootTenantId });
      assert.equal((await call(`GET ${item(id)}`, { headers: { 'x-tenant-id': tenantId } }, platform)).status, 200);
      if (resource.nested) assert.equal((await call(`GET ${item(id)}`, {}, platform)).status, 200);
      else problem(await call(`GET ${item(id)}`, {}, platform), 404);
      for (const unknown of [newId(), "'", 'x'.repeat(100)])
        problem(await call(`GET ${path}`, { headers: { 'x-tenant-id': unknown } }, platform), 404, 'tenant.not_found');
    });

    it('changes by PATCH and PUT, each recorded once, and the version with it', async () => {
      for (const method of ['PATCH', 'PUT'] as const) {
        if (!has(method)) continue;
        const { id, etag, sent } = await create();
        const body = method === 'PUT' ? { ...sent, ...change } : change;
        const changed = await recording(1, () => call(`${method} ${item(id)}`, { body, headers: { 'if-match': etag } }));
        assert.equal(changed.status, 200, changed.text);
        for (const [name, value] of Object.entries(change)) assert.deepEqual(changed.body[name], value);
        assert.notEqual(changed.headers.get('etag'), etag);
        const merged = await call(`${method} ${item(id)}`, {
          body,
          headers: method === 'PATCH' ? { 'content-type': 'application/merge-patch+json' } : {},
        });
        assert.equal(merged.status, 200, merged.text);
      }
    });

    it('answers 412 where the version is another, and leaves everything as it is', async () => {
      const { id } = await create();
      const read = await call(`GET ${item(id)}`);
      await recording(0, async () => {
        for (const [signature, options] of writes(id).slice(1))
          problem(await call(signature, { ...options, headers: { 'if-match': '"stale"' } }), 412, 'precondition.failed');
      });
      assert.deepEqual((await call(`GET ${item(id)}`)).body, read.body);
    });

    where(has('PATCH'))('lets one of several changes of the same version through', async () => {
      const { id, etag } = await create();
      const options = { body: change, headers: { 'if-match': etag } };
      const answers = await Promise.all(Array.from({ length: 5 }, () => call(`PATCH ${item(id)}`, options)));
      assert.deepEqual(answers.map(({ status }) => status).sort(), [200, 412, 412, 412, 412]);
    });

    where(has('DELETE'))('deletes once, records it, and answers as documented', async () => {
      const { id } = await create();
      const gone = await recording(1, () => call(`DELETE ${item(id)}`));
      assert.equal(gone.status, 200);
      assert.equal(gone.body['deleted'], true);
      assert.equal(gone.body['id'] ?? gone.body[idMember], id);
      await recording(0, async () => problem(await call(`DELETE ${item(id)}`), 404));
      problem(await call(`GET ${item(id)}`), 404);
    });

    where(resource.takenCode !== undefined)('answers 409 for what is taken, also in parallel, and records nothing', async () => {
      const { sent } = await create();
      await recording(0, async () => problem(await call(`POST ${path}`, { body: sent }), 409, resource.takenCode));
      const body = next();
      const answers = await recording(1, () => Promise.all(Array.from({ length: 5 }, () => call(`POST ${path}`, { body }))));
      assert.deepEqual(answers.map(({ status }) => status).sort(), [201, 409, 409, 409, 409]);
    });

    it('refuses what is not JSON of the right type and size, and changes nothing', async () => {
      const body = JSON.stringify(next());
      const post = (text: string, headers: Record<string, string> = {}): Promise<ApiAnswer> =>
        call(`POST ${path}`, { body: text, headers });
      await recording(0, async () => {
        problem(await post('{"a":'), 400, 'input.malformed');
        problem(await post(''), 400, 'input.malformed');
        problem(await post('{"a":1,"a":2}'), 400, 'input.malformed');
        problem(await post('{"__proto__":{"x":1}}'), 400, 'input.malformed');
        problem(await post(`${'['.repeat(5000)}${']'.repeat(5000)}`), 400, 'input.malformed');
        for (const type of [
          'text/plain',
          'application/x-www-form-urlencoded',
          'application/json; charset=latin1',
          'application/json-patch+json',
        ])
          problem(await post(body, { 'content-type': type }), 415, 'media_type.unsupported');
        problem(await post(body, { 'content-encoding': 'gzip' }), 415, 'media_type.unsupported');
        problem(await post(`"${'x'.repeat(1_100_000)}"`), 413, 'body.too_large');
        for (const text of ['[]', 'null', '1', '"x"', 'true']) problem(await post(text), 422, 'input.invalid');
      });
      assert.equal(({} as Record<string, unknown>)['x'], undefined);
    });

    it('refuses members that are unknown or not the caller’s to set, and says which', async () => {
      const { id } = await create();
      for (const member of ['nonsense', 'createdAt', 'version', 'tenantId']) {
        const answer = await call(`POST ${path}`, { body: { ...next(), [member]: 'x' } });
        problem(answer, 422, 'input.invalid');
        assert.ok(
          errorsOf(answer).some(({ pointer }) => String(pointer) === `/${member}`),
          answer.text,
        );
        if (has('PATCH')) problem(await call(`PATCH ${item(id)}`, { body: { [member]: 'x' } }), 422);
      }
    });

    for (const [what, body] of Object.entries(resource.invalid))
      it(`refuses ${what}`, async () => {
        const answer = await recording(0, () => call(`POST ${path}`, { body: { ...next(), ...body } }));
        problem(answer, 422);
        assert.ok(Array.isArray(answer.body['errors']), answer.text);
      });

    it('keeps or refuses any text as it is: SQL, HTML, NUL, halves of characters', async () => {
      for (const text of ["Robert'); drop table users;--", '%_\\', '$1 ?? :name', '\u202eabc', '😀']) {
        const answer = await call(`POST ${path}`, { body: { ...next(), [resource.textMember]: text } });
        assert.ok(answer.status === 201 || answer.status === 422, answer.text);
        if (answer.status === 201) assert.equal((await call(`GET ${item(idOf(answer.body))}`)).body[resource.textMember], text);
      }
      for (const text of ['a\0b', '\ud800'])
        problem(await call(`POST ${path}`, { body: { ...next(), [resource.textMember]: text } }), 422, 'input.invalid');
      assert.equal((await call(`GET ${path}`)).status, 200);
    });

    it('pages through everything once, in order, and refuses other queries', async function () {
      this.timeout(30_000);
      for (let made = 0; made < 5; made += 1) await create();
      const whole = items(await call(`GET ${path}?limit=200`)).map(idOf);
      const seen: string[] = [];
      let cursor: string | null = null;
      do {
        const page: ApiAnswer = await call(`GET ${path}?limit=3${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ''}`);
        assert.equal(page.status, 200, page.text);
        assert.ok(items(page).length <= 3);
        seen.push(...items(page).map(idOf));
        cursor = page.body['nextCursor'] as unknown as string | null;
      } while (cursor !== null);
      assert.deepEqual(seen, whole);
      const bad = [
        'limit=0',
        'limit=201',
        'limit=x',
        'limit=1.5',
        'limit=1e6',
        'limit=1e309',
        'limit=-Infinity',
        'limit=1&limit=2',
        'nonsense=1',
        'cursor=nonsense',
        'cursor=',
      ];
      for (const query of [...bad, `cursor=${Buffer.from('["x","y"]').toString('base64url')}`])
        problem(await call(`GET ${path}?${query}`), 422, 'input.invalid');
    });

    it('does a POST with an Idempotency-Key once, and gives its repetitions the same answer', async () => {
      const key = newId();
      const body = next();
      const post = (sent: unknown, as = token): Promise<ApiAnswer> =>
        call(`POST ${path}`, { body: sent, headers: { 'idempotency-key': key } }, as);
      const first = await recording(1, () => post(body));
      assert.equal(first.status, 201, first.text);
      const again = await recording(0, () => post(body));
      assert.deepEqual([again.status, again.text, again.headers.get('etag')], [201, first.text, first.headers.get('etag')]);
      problem(await post(next()), 422, 'idempotency.mismatch');
      const { rows } = await api.owner.query('select sealed from idempotency_keys where status is not null');
      assert.ok(rows.length > 0 && rows.every(({ sealed }) => !sealed.includes(idOf(first.body))), 'kept answers are sealed');
      const other = api.tokenOf({ tenantId, actor: { type: 'client', id: 'another-client' } });
      const others = await post(next(), other);
      assert.equal(others.status, 201, 'the key of one is not the key of another');
      const invalid = { body: { nonsense: 1 }, headers: { 'idempotency-key': newId() } };
      problem(await call(`POST ${path}`, invalid), 422);
      const corrected = await call(`POST ${path}`, { ...invalid, body: next() });
      assert.equal(corrected.status, 201, 'what was refused may be sent again');
    });

    it('does parallel POSTs with one Idempotency-Key once', async () => {
      const options = { body: next(), headers: { 'idempotency-key': newId() } };
      const answers = await recording(1, () => Promise.all(Array.from({ length: 6 }, () => call(`POST ${path}`, options))));
      assert.ok(answers.every(({ status }) => status === 201 || status === 409));
      assert.equal(new Set(answers.filter(({ status }) => status === 201).map(({ body }) => idOf(body))).size, 1);
    });
  });
}

const items = (answer: ApiAnswer): Loose[] => {
  assert.ok(Array.isArray(answer.body['items']), answer.text);
  return answer.body['items'] as unknown as Loose[];
};

const errorsOf = (answer: ApiAnswer): Loose[] => (answer.body['errors'] ?? []) as unknown as Loose[];
