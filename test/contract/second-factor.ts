/** What every second factor does, whatever it is that is shown. */
import assert from 'node:assert/strict';
import { newSecret, sha256 } from '#src/core/ids.ts';
import type { Outcome } from '#src/login/attempt.ts';
import { type Harness, PASSWORD, type TestPerson } from '../login/harness.ts';

export interface SecondFactorFixture {
  id: string;
  create(): Promise<Harness>;
  /** Gives the factor to the person. */
  equip(h: Harness, person: TestPerson): Promise<void>;
  /** `redirect` is where the beginning has the browser go. */
  right(h: Harness, person: TestPerson, redirect: string | undefined): Promise<Record<string, unknown>>;
  wrong: Record<string, unknown>;
  /** What it begins with; nothing where nothing is said. */
  input?: Record<string, unknown>;
  close?(): Promise<void>;
}

export function secondFactorContract(fixture: SecondFactorFixture): void {
  describe(`${fixture.id} as a second factor`, () => {
    let h: Harness;
    before(async () => {
      h = await fixture.create();
    });
    after(async () => {
      await h?.close();
      await fixture.close?.();
    });

    let redirect: string | undefined;
    const attempt = (journeyId: string, methodId: string, input: Record<string, unknown>): Promise<Outcome> =>
      h.engine.attempt(h.stranger(), { door: 'browser', journeyId, methodId, input });
    const equipped = async (): Promise<TestPerson> => {
      const person = await h.addPerson({ password: PASSWORD });
      await fixture.equip(h, person);
      return person;
    };
    const begun = async (person: TestPerson): Promise<string> => {
      const journeyId = sha256(newSecret());
      const outcome = await attempt(journeyId, 'password', { login: person.email, password: PASSWORD });
      assert.ok('step' in outcome && outcome.step.name === 'prove', JSON.stringify(outcome));
      assert.ok(outcome.step.methods.includes(fixture.id), outcome.step.methods.join());
      const { input = {} } = fixture;
      const asked = await h.engine.begin(h.stranger(), { door: 'browser', journeyId, methodId: fixture.id, input, url: '' });
      redirect = 'redirect' in asked ? asked.redirect : undefined;
      return journeyId;
    };
    const isDone = (outcome: Outcome): boolean => 'step' in outcome && outcome.step.name === 'done';
    const attempts = async () => (await h.events()).filter(({ type }) => type.startsWith('login.'));

    it('makes two factors of a password, and one event', async () => {
      const person = await equipped();
      const journeyId = await begun(person);
      const seen = (await attempts()).length;
      const outcome = await attempt(journeyId, fixture.id, await fixture.right(h, person, redirect));
      assert.ok('step' in outcome && outcome.step.name === 'done', JSON.stringify(outcome));
      assert.equal(outcome.step.acr, 'urn:gatehouse:acr:2fa');
      assert.ok(outcome.step.amr.includes('mfa'));
      assert.deepEqual(
        (await attempts()).slice(seen).map(({ type, target_id }) => [type, target_id]),
        [['login.succeeded', person.id]],
      );
    });

    it('does not say by itself who somebody is', async () => {
      const person = await equipped();
      await begun(person);
      const outcome = await attempt(sha256(newSecret()), fixture.id, {
        login: person.email,
        ...(await fixture.right(h, person, redirect)),
      });
      assert.ok('refused' in outcome, JSON.stringify(outcome));
    });

    it('is refused where it is wrong or missing, one event each with a reason, and five times at most', async () => {
      const person = await equipped();
      const journeyId = await begun(person);
      const seen = (await attempts()).length;
      const inputs = [...Array.from({ length: 8 }, () => fixture.wrong), {}];
      for (const input of inputs) assert.equal(isDone(await attempt(journeyId, fixture.id, input)), false);
      const events = (await attempts()).slice(seen);
      assert.equal(events.length, inputs.length);
      assert.ok(events.every(({ type, reason }) => type === 'login.refused' && reason));
      assert.equal(events.filter(({ reason }) => reason === 'limit.code').length, 3, events.map(({ reason }) => reason).join());
      const held = await attempt(journeyId, fixture.id, await fixture.right(h, person, redirect));
      assert.equal('refused' in held && held.status, 429);
    });

    it('is taken once, of any number at the same time and in turn', async () => {
      const person = await equipped();
      const journeyId = await begun(person);
      const right = await fixture.right(h, person, redirect);
      const outcomes = await Promise.all(Array.from({ length: 20 }, () => attempt(journeyId, fixture.id, right)));
      assert.equal(outcomes.filter(isDone).length, 1, JSON.stringify(outcomes.map((one) => 'refused' in one && one.refused)));
      assert.equal(isDone(await attempt(journeyId, fixture.id, right)), false);
      assert.equal(isDone(await attempt(await begun(person), fixture.id, right)), false, 'nor at the next sign-in');
    });
  });
}
