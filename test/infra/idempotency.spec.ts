import assert from 'node:assert/strict';
import { Type } from '@sinclair/typebox';
import { unavailable } from '#src/core/errors.ts';
import { newId } from '#src/core/ids.ts';
import { type Route, route } from '#src/http/route.ts';
import { type ApiAnswer, type ApiHarness, type Parts, startApi } from '#test/support/api.ts';

const BODY = Type.Object({ fails: Type.Optional(Type.String()) });

/** Writes a row, and fails where it is told to. */
const effect = ({ transact }: Parts): Route =>
  route('POST /api/effects', {
    summary: 'For a test',
    tag: 'Test',
    access: 'users.write',
    body: BODY,
    reply: Type.Object({ id: Type.String() }),
    status: 201,
    errors: [500],
    async handle(scope, { body: { fails } }) {
      if (fails === 'before') throw unavailable();
      const id = newId();
      await transact(scope, async ({ sql }) => {
        await sql.raw('insert into effects (id, at_commit) values (?, ?)', [id, fails ?? '']);
        if (fails === 'within') throw unavailable();
      });
      if (fails === 'after') throw unavailable();
      return { id };
    },
  });

describe('an Idempotency-Key', () => {
  let api: ApiHarness;
  let token: string;
  before(async () => {
    api = await startApi((parts) => [effect(parts)]);
    token = api.tokenOf({ tenantId: api.tenants[0] });
    // At its commit a row that says so ends the connection: whoever waits cannot know what became of it.
    await api.owner.query(`
      create table effects (id uuid primary key, at_commit text not null);
      grant select, insert on effects to gatehouse_app;
      create function end_connection() returns trigger language plpgsql security definer as
        $$ begin perform pg_terminate_backend(pg_backend_pid()); perform pg_sleep(1); return null; end $$;
      create constraint trigger ends after insert on effects deferrable initially deferred for each row
        when (new.at_commit = 'at the commit') execute function end_connection()`);
  });
  after(() => api.close());
  beforeEach(() => api.owner.query('delete from effects'));

  const post = (key: string, fails?: string): Promise<ApiAnswer> =>
    api.call(token, 'POST /api/effects', { body: fails === undefined ? {} : { fails }, headers: { 'idempotency-key': key } });
  const codeOf = ({ status, body }: ApiAnswer): string => `${status} ${String(body['code'] ?? '')}`.trim();
  const effects = async (): Promise<number> => (await api.owner.query('select 1 from effects')).rowCount ?? 0;

  it('whose answer could not be kept is not carried out again, soon or later, until its day is over', async () => {
    const key = newId();
    await api.owner.query('alter table idempotency_keys add constraint broken check (status is null) not valid');
    assert.equal((await post(key)).status, 201);
    await api.owner.query('alter table idempotency_keys drop constraint broken');
    assert.equal(codeOf(await post(key)), '409 idempotency.in_progress');
    await api.owner.query(`update idempotency_keys set created_at = created_at - interval '61 seconds'`);
    for (let n = 0; n < 2; n += 1) assert.equal(codeOf(await post(key)), '409 idempotency.unknown');
    assert.equal(codeOf(await post(key, 'before')), '422 idempotency.mismatch');
    assert.equal(await effects(), 1);
    await api.owner.query(`update idempotency_keys set expires_at = clock_timestamp() - interval '1 second'`);
    assert.equal((await post(key)).status, 201);
    assert.equal(await effects(), 2);
  });

  for (const fails of ['after', 'at the commit']) {
    it(`of a request that failed ${fails === 'after' ? 'after its commit' : fails} is not carried out again`, async () => {
      const key = newId();
      assert.equal((await post(key, fails)).status, 503);
      const before = await effects();
      for (let n = 0; n < 2; n += 1) assert.equal(codeOf(await post(key, fails)), '409 idempotency.unknown');
      assert.equal(await effects(), before);
    });
  }

  for (const fails of ['before', 'within']) {
    it(`of a request that failed ${fails} its transaction may be sent again`, async () => {
      const key = newId();
      for (let n = 0; n < 2; n += 1) assert.equal(codeOf(await post(key, fails)), '503 service.unavailable');
      assert.equal(await effects(), 0);
    });
  }
});
