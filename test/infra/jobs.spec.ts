import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { addSeconds, systemClock } from '#src/core/clock.ts';
import { createJobs, type Jobs } from '#src/infra/jobs.ts';
import { createLogger } from '#src/infra/log.ts';
import { createQueueMail, MAIL_JOB, type Mail, mailHandler } from '#src/infra/mail.ts';
import { createMailbox } from '#src/infra/mailbox.ts';
import { type Database, openDatabase } from '#src/infra/postgres.ts';
import { createSecretBox } from '#src/infra/secret-box.ts';
import { sweepExpired } from '#src/infra/sweeps.ts';
import { createTestDatabase, type TestDatabase } from '#test/support/database.ts';

describe('jobs', () => {
  const log = createLogger({ level: 'silent' });
  const box = createSecretBox([randomBytes(32)]);
  let at: TestDatabase;
  let db: Database;
  let owner: pg.Client;
  let jobs: Jobs;

  before(async () => {
    at = await createTestDatabase();
    db = openDatabase({ url: at.url });
    owner = new pg.Client({ connectionString: at.url });
    await owner.connect();
    jobs = createJobs(db, log, { pollMs: 100 });
  });
  afterEach(() => jobs.stop());
  after(async () => {
    await owner.end();
    await db.close();
    await at.drop();
  });

  const waiting = async (name: string): Promise<number> =>
    (await owner.query('select 1 from graphile_worker.jobs where task_identifier = $1', [name])).rowCount ?? 0;

  async function until(condition: () => Promise<boolean> | boolean): Promise<void> {
    for (let round = 0; round < 200; round += 1) {
      if (await condition()) return;
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
    assert.fail('it did not happen within five seconds');
  }

  it('run with their payload on connections of their own, and are gone afterwards', async () => {
    const seen: unknown[] = [];
    await jobs.start({ 'test.run': async (payload, { attempt }) => void seen.push([payload, attempt]) });
    await jobs.add({ name: 'test.run', payload: { a: 1, text: 'ü' } });
    await until(() => seen.length === 1);
    assert.deepEqual(seen, [[{ a: 1, text: 'ü' }, 1]]);
    const { rows } = await owner.query(`select distinct usename from pg_stat_activity where application_name = 'gatehouse-jobs'`);
    assert.equal(rows.length, 1);
    await until(async () => (await waiting('test.run')) === 0);
  });

  it('exist only when the transaction that added them commits', async () => {
    await assert.rejects(
      db.transaction(async (sql) => {
        await jobs.add({ name: 'test.rolled_back', payload: {} }, sql);
        throw new Error('no');
      }),
    );
    assert.equal(await waiting('test.rolled_back'), 0);
    await db.transaction((sql) => jobs.add({ name: 'test.committed', payload: {} }, sql));
    assert.equal(await waiting('test.committed'), 1);
  });

  it('replace a waiting job of the same key, and wait for their time', async () => {
    const runAt = new Date(Date.now() + 3_600_000);
    await jobs.add({ name: 'test.keyed', payload: { n: 1 }, key: 'k', runAt });
    await jobs.add({ name: 'test.keyed', payload: { n: 2 }, key: 'k', runAt });
    const { rows } = await owner.query(`select payload, run_at from graphile_worker._private_jobs where key = 'k'`);
    assert.deepEqual(rows, [{ payload: { n: 2 }, run_at: runAt }]);
  });

  it('are tried again after a failure, and stay with their error once all tries are used', async () => {
    let tries = 0;
    await jobs.start({
      'test.fails': async () => {
        tries += 1;
        throw new Error('not today');
      },
    });
    await jobs.add({ name: 'test.fails', payload: {}, maxAttempts: 2 });
    await until(() => tries === 1);
    await owner.query(`update graphile_worker._private_jobs set run_at = now() where last_error is not null`);
    await until(() => tries === 2);
    await until(async () => {
      const { rows } = await owner.query(
        `select attempts, max_attempts, last_error from graphile_worker.jobs where task_identifier = 'test.fails'`,
      );
      return rows[0]?.attempts === 2 && /not today/.test(rows[0].last_error);
    });
  });

  it('carry mail sealed from the queue into the development mailbox', async () => {
    const mailbox = createMailbox({ db, box });
    const queueMail = createQueueMail({ jobs, box, mailer: mailbox });
    await db.transaction((sql) =>
      queueMail({ to: 'ada@example.org', subject: 'Your code', text: 'It is 314159', html: '<p>314159</p>' }, sql),
    );
    const queued = await owner.query('select payload::text as payload from graphile_worker._private_jobs');
    assert.doesNotMatch(JSON.stringify(queued.rows), /314159|ada@/);
    await jobs.start({ [MAIL_JOB]: mailHandler({ mailer: mailbox, box, clock: systemClock, log }) });
    await until(async () => (await mailbox.list()).length === 1);
    await mailbox.sendText({ to: '+15550100', text: 'two' });
    const kept = await mailbox.list();
    assert.deepEqual(
      kept.map(({ channel, to, subject, text, html }) => [channel, to, subject, text, html]),
      [
        ['sms', '+15550100', null, 'two', null],
        ['email', 'ada@example.org', 'Your code', 'It is 314159', '<p>314159</p>'],
      ],
    );
    assert.match(kept[0]!.at, /^\d{4}-\d\d-\d\dT.*Z$/);
    const stored = await owner.query(`select encode(sealed, 'escape') as sealed from dev_messages`);
    assert.doesNotMatch(JSON.stringify(stored.rows), /314159|ada@/);
  });

  it('drop a mail that is still in the queue when it says nothing of use any more', async () => {
    const sent: string[] = [];
    const mailer = { send: async ({ subject }: Mail) => void sent.push(subject) };
    const queueMail = createQueueMail({ jobs, box, mailer });
    const mail = (subject: string): Mail => ({ to: 'ada@example.org', subject, text: '', html: '' });
    const now = systemClock.now();
    await queueMail(mail('too late'), undefined, { until: addSeconds(now, -1) });
    await queueMail(mail('in time'), undefined, { until: addSeconds(now, 600) });
    await queueMail(mail('whenever'));
    await jobs.start({ [MAIL_JOB]: mailHandler({ mailer, box, clock: systemClock, log }) });
    await until(async () => (await waiting(MAIL_JOB)) === 0);
    assert.deepEqual(sent.sort(), ['in time', 'whenever']);
  });

  it('sweep what has expired, in batches, and nothing else', async () => {
    await owner.query(`
      insert into revoked_tokens (jti, expires_at) select 'old-' || n, now() - interval '2 hours' from generate_series(1, 2500) n;
      insert into revoked_tokens (jti, expires_at) values ('fresh', now() + interval '1 hour'), ('just-ended', now() - interval '1 minute');
      insert into rate_limits (key, points, expire) values ('old', 1, 1), ('fresh', 1, extract(epoch from now() + interval '1 hour') * 1000);
      insert into dev_messages (id, at, sealed) values (gen_random_uuid(), now() - interval '2 days', '');
      with tenant as (insert into tenants (id, slug, name, type) values (gen_random_uuid(), 'swept', 'Swept', 'team') returning id),
        person as (insert into users (id, home_tenant_id, username, username_key) select gen_random_uuid(), id, 'ada', 'ada' from tenant returning id)
        insert into known_devices (user_id, device_hash, last_seen_at) select person.id, d.hash, now() - d.age
          from person, (values ('forgotten', interval '367 days'), ('of this year', interval '364 days')) as d(hash, age);`);
    const swept = await sweepExpired(db);
    assert.deepEqual([swept['revoked_tokens'], swept['rate_limits'], swept['dev_messages'], swept['oidc_objects']], [2500, 1, 1, 0]);
    assert.equal(swept['known_devices'], 1);
    assert.deepEqual((await owner.query('select device_hash from known_devices')).rows, [{ device_hash: 'of this year' }]);
    const left = await owner.query('select jti from revoked_tokens order by jti');
    assert.deepEqual(
      left.rows.map(({ jti }) => jti),
      ['fresh', 'just-ended'],
    );
  });

  it('leave nothing open when they stop', async () => {
    await jobs.start({ 'test.run': async () => {} });
    await jobs.stop();
    await until(async () => (await owner.query(`select 1 from pg_stat_activity where application_name = 'gatehouse-jobs'`)).rowCount === 0);
  });
});
