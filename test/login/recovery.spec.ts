import assert from 'node:assert/strict';
import { newId, newSecret, sha256 } from '#src/core/ids.ts';
import { hashRecoveryCodes, makeRecoveryCodes, readRecoveryCode } from '#src/features/factors/recovery-codes.ts';
import { createHarness, type Harness, PASSWORD, type TestPerson } from './harness.ts';

describe('recovery codes', () => {
  let h: Harness;
  before(async () => {
    h = await createHarness();
  });
  after(() => h?.close());

  const insert = (userId: string, type: string, data: unknown, sealed?: (id: string) => Buffer): Promise<unknown> => {
    const id = newId();
    const text = `insert into credentials (id, user_id, type, data, sealed) values ($1, $2, $3, $4::jsonb, $5)`;
    return h.db.query({ name: 'test-credential', text }, [id, userId, type, JSON.stringify(data), sealed?.(id) ?? null]);
  };
  const enrolled = async (): Promise<{ person: TestPerson; codes: string[] }> => {
    const person = await h.addPerson({ password: PASSWORD });
    const codes = makeRecoveryCodes();
    await insert(person.id, 'totp', { lastStep: 0 }, (id) => h.box.seal('JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP', `credential:${id}`));
    await insert(person.id, 'recovery-code', hashRecoveryCodes(h.box, person.id, codes));
    return { person, codes };
  };
  const journey = async (person: TestPerson): Promise<string> => {
    const journeyId = sha256(newSecret());
    const input = { login: person.email, password: PASSWORD };
    const outcome = await h.engine.attempt(h.stranger(), { door: 'browser', journeyId, methodId: 'password', input });
    assert.ok('step' in outcome && outcome.step.name === 'prove', JSON.stringify(outcome));
    assert.ok(outcome.step.methods.includes('recovery-code'));
    return journeyId;
  };
  const prove = (journeyId: string, code: string) =>
    h.engine.attempt(h.stranger(), { door: 'browser', journeyId, methodId: 'recovery-code', input: { code } });

  it('are ten of fifty bits, and read however they are written', () => {
    const codes = makeRecoveryCodes();
    assert.equal(new Set(codes).size, 10);
    for (const code of codes) {
      assert.match(code, /^[A-Z2-7]{5}-[A-Z2-7]{5}$/);
      assert.equal(readRecoveryCode(` ${code.toLowerCase().replace('-', ' ')} `), code.replace('-', ''));
    }
    assert.equal(readRecoveryCode('O0I1B-8AAAA'), 'OOIIBBAAAA');
    for (const none of ['', 'AAAAA', 'AAAAA-AAAA!', 'A'.repeat(11), '99999-99999']) assert.equal(readRecoveryCode(none), undefined, none);
  });

  it('stand in for the second factor once each; C21: of twenty at once with the same one lets one in', async () => {
    const { person, codes } = await enrolled();
    const journeys = await Promise.all(Array.from({ length: 4 }, () => journey(person)));
    const outcomes = await Promise.all(journeys.flatMap((id) => Array.from({ length: 5 }, () => prove(id, codes[0]!))));
    assert.equal(outcomes.filter((outcome) => 'step' in outcome && outcome.step.name === 'done').length, 1);
    const { rows } = await h.db.transaction(async (sql) => ({
      rows: await sql('credentials').select('data').where({ user_id: person.id, type: 'recovery-code' }),
    }));
    const { hashes } = (rows[0] as { data: { hashes: { usedAt?: string }[] } }).data;
    assert.equal(hashes.filter(({ usedAt }) => usedAt !== undefined).length, 1);
  });

  it('C21: let nobody in by any string, an empty one, a used one, or somebody else’s', async () => {
    const [one, other] = [await enrolled(), await enrolled()];
    const first = await prove(await journey(one.person), one.codes[0]!);
    assert.ok('step' in first && first.step.name === 'done', JSON.stringify(first));
    assert.equal(first.step.acr, 'urn:gatehouse:acr:2fa');
    const journeyId = await journey(one.person);
    for (const code of ['', 'anything', one.codes[0]!, other.codes[0]!]) {
      const refused = await prove(journeyId, code);
      assert.ok('refused' in refused && refused.status === 401, code);
    }
    const reasons = (await h.events('login.refused')).map(({ reason }) => reason);
    assert.ok(reasons.includes('recovery_code.used') && reasons.includes('recovery_code.wrong'));
  });
});
