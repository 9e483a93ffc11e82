/** The work on an import without a queue, step by step: what happens where a process dies in between. */
import assert from 'node:assert/strict';
import { systemClock } from '#src/core/clock.ts';
import { ALL_PERMISSIONS } from '#src/core/permissions.ts';
import { type Scope, systemScope } from '#src/core/scope.ts';
import { setPasswordsOfNew } from '#src/features/credentials/commands.ts';
import { receiveImport, removeImport } from '#src/features/imports/commands.ts';
import type { ImportDeps } from '#src/features/imports/index.ts';
import { importHandler, importTendHandler, workOnBatch } from '#src/features/imports/work.ts';
import { wishesOf } from '#src/features/users/import-lines.ts';
import { carryOut } from '#src/features/users/import-people.ts';
import { createJobs } from '#src/infra/jobs.ts';
import { type ApiHarness, startApi } from '#test/support/api.ts';
import { giveRole } from '#test/support/roles.ts';
import { userDeps } from '../users/start.ts';

describe('the work on imports', () => {
  let api: ApiHarness;
  let deps: ImportDeps;
  let scope: Scope;
  let dying = 0;

  before(async function () {
    this.timeout(60_000);
    api = await startApi((parts) => {
      const users = { ...userDeps(parts), setPasswords: setPasswordsOfNew.bind(undefined, { clock: systemClock }) };
      deps = {
        db: parts.db,
        clock: systemClock,
        transact: parts.transact,
        box: parts.box,
        jobs: createJobs(parts.db, parts.log),
        people: {
          wishesOf: (as, format, lines) => wishesOf(users, as, format, lines),
          async carryOut(work, as, wishes, run) {
            const outcomes = await carryOut(users, work, as, wishes, run);
            if (dying-- > 0) throw new Error('killed');
            return outcomes;
          },
        },
      };
      return [];
    });
    scope = { ...systemScope(api.tenants[0], 'test', ALL_PERMISSIONS), platform: false };
  });
  after(() => api?.close());

  const receive = async (names: readonly string[], as = scope): Promise<string> => {
    async function* body() {
      for (const username of names) yield Buffer.from(`${JSON.stringify({ username })}\n`);
    }
    return (await receiveImport(deps, as, {}, body())).id;
  };
  const names = (prefix: string, count: number): string[] => Array.from({ length: count }, (_, n) => `${prefix}-${n}`);
  const count = async (text: string, values: unknown[]): Promise<number> =>
    Number((await api.owner.query<{ n: string }>(`select count(*) as n from ${text}`, values)).rows[0]?.n);
  const stateOf = async (id: string): Promise<unknown[]> => {
    const { rows } = await api.owner.query('select status, done, created_people from user_imports where id = $1', [id]);
    return [rows[0].status, Number(rows[0].done), Number(rows[0].created_people)];
  };
  const queued = (id: string): Promise<number> =>
    count(`graphile_worker.jobs where task_identifier = 'users.import' and key = $1`, [`import:${id}`]);

  it('is a batch or nothing: what dies in the middle of one has done none of it, and the next one does it', async () => {
    const id = await receive(names('die', 450));
    assert.equal(await queued(id), 1);
    assert.equal(await workOnBatch(deps, scope.tenantId, id), true);
    assert.deepEqual(await stateOf(id), ['running', 200, 200]);
    dying = 1;
    await assert.rejects(workOnBatch(deps, scope.tenantId, id), /killed/);
    assert.deepEqual(await stateOf(id), ['running', 200, 200]);
    assert.equal(await count(`users where username_key like 'die-%'`, []), 200);
    const more = await Promise.all([1, 2, 3, 4].map(() => workOnBatch(deps, scope.tenantId, id)));
    while (await workOnBatch(deps, scope.tenantId, id)) more.push(true);
    assert.deepEqual(await stateOf(id), ['done', 450, 450]);
    assert.equal(await count(`users where username_key like 'die-%'`, []), 450);
    assert.equal(await count(`audit_events where type = 'user.created' and data ->> 'importId' = $1`, [id]), 450);
    assert.equal(await count(`audit_events where type like 'user_import.%' and target_id = $1`, [id]), 2);
  });

  it('is found again by the clock where its process died, in whichever tenant', async () => {
    const id = await receive(names('found', 3));
    await api.owner.query('select graphile_worker.remove_job($1)', [`import:${id}`]);
    const tend = importTendHandler(deps);
    await tend({}, { attempt: 1 });
    assert.equal(await queued(id), 0, 'what has just been touched is left alone');
    await api.owner.query(`update user_imports set updated_at = now() - interval '2 minutes' where id = $1`, [id]);
    await tend({}, { attempt: 1 });
    assert.equal(await queued(id), 1);
    await importHandler(deps)({ tenantId: scope.tenantId, importId: id }, { attempt: 1 });
    assert.deepEqual(await stateOf(id), ['done', 3, 3]);
  });

  it('is given up where it fails for good, and where whoever began it lost the right', async () => {
    const id = await receive(names('bug', 3));
    dying = 2;
    const work = (attempt: number): Promise<void> => importHandler(deps)({ tenantId: scope.tenantId, importId: id }, { attempt });
    await assert.rejects(work(1), /killed/);
    await assert.rejects(work(6), /killed/);
    assert.deepEqual(await stateOf(id), ['failed', 0, 0]);

    const { rows } = await api.owner.query(
      `insert into users (id, home_tenant_id, username, username_key) values (gen_random_uuid(), $1, 'began', 'began') returning id`,
      [scope.tenantId],
    );
    const person: string = rows[0].id;
    await giveRole(api.owner, scope.tenantId, person, 'administrator');
    const as: Scope = { ...scope, actor: { type: 'user', id: person } };
    const allowed = await receive(names('still', 2), as);
    await importHandler(deps)({ tenantId: scope.tenantId, importId: allowed }, { attempt: 1 });
    assert.deepEqual(await stateOf(allowed), ['done', 2, 2]);
    const lost = await receive(names('lost', 2), as);
    await api.owner.query('delete from role_assignments where user_id = $1', [person]);
    await importHandler(deps)({ tenantId: scope.tenantId, importId: lost }, { attempt: 1 });
    assert.deepEqual(await stateOf(lost), ['failed', 0, 0]);
    assert.equal(await count(`users where username_key like 'lost-%'`, []), 0);
  });

  it('ends where the import was taken back, and reads no batch that was exchanged', async () => {
    const id = await receive(names('gone', 2));
    await removeImport(deps, scope, id);
    assert.equal(await workOnBatch(deps, scope.tenantId, id), false);
    assert.equal(await count(`users where username_key like 'gone-%'`, []), 0);
    const [one, two] = [await receive(names('seal-a', 1)), await receive(names('seal-b', 1))];
    const text =
      'update user_import_batches set sealed = (select sealed from user_import_batches where import_id = $1) where import_id = $2';
    await api.owner.query(text, [one, two]);
    await assert.rejects(workOnBatch(deps, scope.tenantId, two));
    assert.equal(
      await count(`user_import_batches where position('seal-a'::bytea in sealed) > 0`, []),
      0,
      'lines are not readable where they wait',
    );
  });
});
