import assert from 'node:assert/strict';
import { generate, generateSecret } from 'otplib';
import { epochSeconds } from '#src/core/clock.ts';
import { newId, newSecret, sha256 } from '#src/core/ids.ts';
import { judgeTotp } from '#src/login/enrol/totp.ts';
import { createHarness, type Harness, PASSWORD, type TestPerson } from './harness.ts';

describe('an authenticator app as the second factor', () => {
  let h: Harness;
  before(async () => {
    h = await createHarness();
  });
  after(() => h?.close());

  const enrolled = async (): Promise<{ person: TestPerson; secret: string }> => {
    const person = await h.addPerson({ password: PASSWORD });
    const [secret, id] = [generateSecret(), newId()];
    await h.db.query(
      {
        name: 'test-totp',
        text: `insert into credentials (id, user_id, type, data, sealed) values ($1, $2, 'totp', '{"lastStep": 0}', $3)`,
      },
      [id, person.id, h.box.seal(secret, `credential:${id}`)],
    );
    return { person, secret };
  };
  const codeOf = (secret: string, steps = 0): Promise<string> => generate({ secret, epoch: epochSeconds(h.clock.now()) + steps * 30 });
  const journey = async (person: TestPerson): Promise<string> => {
    const journeyId = sha256(newSecret());
    const outcome = await h.engine.attempt(h.stranger(), {
      door: 'browser',
      journeyId,
      methodId: 'password',
      input: { login: person.email, password: PASSWORD },
    });
    assert.ok('step' in outcome, JSON.stringify(outcome));
    assert.equal(outcome.step.name, 'prove');
    return journeyId;
  };
  const prove = (journeyId: string, code: string) =>
    h.engine.attempt(h.stranger(), { door: 'browser', journeyId, methodId: 'totp', input: { code } });

  it('is asked for after the password, and makes two factors of it', async () => {
    const { person, secret } = await enrolled();
    const outcome = await prove(await journey(person), await codeOf(secret));
    assert.ok('step' in outcome && outcome.step.name === 'done', JSON.stringify(outcome));
    assert.deepEqual([outcome.step.acr, [...outcome.step.amr].sort()], ['urn:gatehouse:acr:2fa', ['mfa', 'otp', 'pwd']]);
  });

  it('C5: takes each code once, at the next sign-in too, and of many at once one', async () => {
    const { person, secret } = await enrolled();
    const journeys = await Promise.all([journey(person), journey(person), journey(person), journey(person)]);
    const code = await codeOf(secret);
    const outcomes = await Promise.all(journeys.slice(0, 3).map((id) => prove(id, code)));
    assert.equal(outcomes.filter((outcome) => 'step' in outcome).length, 1, JSON.stringify(outcomes));
    const late = await prove(journeys[3]!, code);
    assert.ok('refused' in late);
    assert.ok((await h.events('login.refused')).some(({ reason }) => reason === 'totp.replayed'));
    const earlier = await prove(journeys[3]!, await codeOf(secret, -1));
    assert.ok('refused' in earlier, 'a step before the last one is used up too');
    const next = await prove(journeys[3]!, await codeOf(secret, 1));
    assert.ok('step' in next, JSON.stringify(next));
  });

  it('drifts by one step and no more', async () => {
    const secret = generateSecret();
    const now = new Date('2026-11-22T12:00:15Z');
    const at = (steps: number) => generate({ secret, epoch: epochSeconds(now) + steps * 30 });
    for (const [steps, taken] of [
      [-2, false],
      [-1, true],
      [0, true],
      [1, true],
      [2, false],
    ] as const)
      assert.equal((await judgeTotp(secret, await at(steps), now)) !== undefined, taken, String(steps));
    for (const code of ['', '12345', '1234567', 'abcdef', '１２３４５６'])
      assert.equal(await judgeTotp(secret, code, now), undefined, code);
    assert.notEqual(await judgeTotp(secret, (await at(0)).replace(/(...)/, '$1 '), now), undefined);
  });

  it('is of no use to somebody else, and nobody may guess more than five times', async () => {
    const [one, other] = [await enrolled(), await enrolled()];
    const journeyId = await journey(one.person);
    assert.ok('refused' in (await prove(journeyId, await codeOf(other.secret))));
    const wrong = await Promise.all(Array.from({ length: 10 }, () => prove(journeyId, '000000')));
    const statuses = wrong.map((outcome) => ('refused' in outcome ? outcome.status : 0)).sort();
    assert.deepEqual(statuses, [401, 401, 401, 401, 429, 429, 429, 429, 429, 429], 'after the one of somebody else');
    const late = await prove(journeyId, await codeOf(one.secret));
    assert.ok('refused' in late && late.status === 429, JSON.stringify(late));
  });
});
