import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { createLimits } from '#src/infra/limits.ts';
import { migrate } from '#src/infra/migrate.ts';
import { type Database, openDatabase } from '#src/infra/postgres.ts';
import { createSecretBox } from '#src/infra/secret-box.ts';
import { createProofOfWork, leadingZeros, NO_CHALLENGES } from '#src/login/challenge.ts';
import { createTestDatabase, type TestDatabase } from '#test/support/database.ts';

const TENANT = 'tenant-one';
let database: TestDatabase;
let db: Database;
let now = new Date('2026-11-22T12:00:00Z');
const challenges = (difficulty: number | undefined = 10) =>
  createProofOfWork({
    box: createSecretBox([randomBytes(32)]),
    clock: { now: () => now },
    limits: createLimits({ db }),
    difficultyOf: async (tenantId) => (tenantId === TENANT ? difficulty : undefined),
  });

function solve(token: string, difficulty: number): string {
  for (let number = 0; ; number += 1) if (leadingZeros(`${token}.${number}`) >= difficulty) return `${token}.${number}`;
}
function miss(token: string, difficulty: number): string {
  for (let number = 0; ; number += 1) if (leadingZeros(`${token}.${number}`) < difficulty) return `${token}.${number}`;
}

describe('a challenge', () => {
  before(async () => {
    database = await createTestDatabase();
    await migrate(database.url);
    db = openDatabase({ url: database.url });
  });
  after(async () => {
    await db.close();
    await database.drop();
  });
  beforeEach(() => {
    now = new Date('2026-11-22T12:00:00Z');
  });

  it('is asked of nobody where the tenant says nothing', async () => {
    assert.equal(await NO_CHALLENGES.issue(TENANT, 'register'), undefined);
    assert.equal(await NO_CHALLENGES.passes(TENANT, 'register', undefined), true);
    assert.equal(await challenges().issue('tenant-two', 'register'), undefined);
    assert.equal(await challenges().passes('tenant-two', 'register', undefined), true);
  });

  it('takes the number that was worked for, once', async () => {
    const pow = challenges();
    const task = await pow.issue(TENANT, 'register');
    assert.equal(task?.difficulty, 10);
    const answer = solve(task.token, 10);
    assert.equal(await pow.passes(TENANT, 'register', answer), true);
    assert.equal(await pow.passes(TENANT, 'register', answer), false, 'twice');
    const parallel = solve((await pow.issue(TENANT, 'register'))!.token, 10);
    const outcomes = await Promise.all(Array.from({ length: 20 }, () => pow.passes(TENANT, 'register', parallel)));
    assert.equal(outcomes.filter(Boolean).length, 1);
  });

  it('takes no other number, purpose, tenant or token, and none that is too old', async () => {
    const pow = challenges();
    const { token } = (await pow.issue(TENANT, 'register'))!;
    const right = solve(token, 10);
    const foreign = solve((await challenges().issue(TENANT, 'register'))!.token, 10);
    for (const wrong of [undefined, '', '.', token, miss(token, 10), `${token}.-1`, `${token}.1e3`, `x${right}`, foreign, 'a'.repeat(5000)])
      assert.equal(await pow.passes(TENANT, 'register', wrong), false, String(wrong).slice(0, 40));
    assert.equal(await pow.passes(TENANT, 'reset', right), false, 'another purpose');
    now = new Date(now.getTime() + 900_000);
    assert.equal(await pow.passes(TENANT, 'register', right), false, 'too old');
  });

  it('counts leading zero bits of SHA-256', () => {
    assert.equal(leadingZeros('abc'), 0); // ba78…
    assert.equal(leadingZeros(''), 0); // e3b0…
    const [found] = Array.from({ length: 100_000 }, (_, number) => `x.${number}`).filter((text) => leadingZeros(text) >= 14);
    assert.ok(found);
  });
});
