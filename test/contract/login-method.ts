/** What every login method does at every door. */
import assert from 'node:assert/strict';
import { newSecret, sha256 } from '#src/core/ids.ts';
import type { Scope } from '#src/core/scope.ts';
import { authenticateDirect } from '#src/login/direct.ts';
import type { Harness, TestPerson } from '../login/harness.ts';

export interface MethodFixture {
  id: string;
  create(): Promise<Harness>;
  /** A person who can sign in by the method. */
  enrolled(h: Harness, options?: { status?: 'active' | 'disabled' }): Promise<TestPerson>;
  right(person: TestPerson): Record<string, string>;
  wrong(person: TestPerson): Record<string, string>;
  /** The same as `wrong`, for somebody who does not exist. */
  unknown(): Record<string, string>;
}

export interface Answer {
  ok: boolean;
  status: number;
  /** Everything that the caller can tell two answers apart by. */
  bytes: string;
}

export interface Door {
  name: string;
  /** The status of a refusal, where it is not 401. */
  refused?: number;
  attempt(
    h: Harness,
    scope: Scope,
    methodId: string,
    input: Record<string, string>,
    more?: { journeyId?: string; deviceToken?: string },
  ): Promise<Answer & { deviceToken?: string }>;
}

const newJourney = (): string => sha256(newSecret());

export const browserDoor: Door = {
  name: 'the pages',
  async attempt(h, scope, methodId, input, { journeyId = newJourney(), deviceToken } = {}) {
    const outcome = await h.engine.attempt(scope, { door: 'browser', journeyId, methodId, input, deviceToken });
    return 'refused' in outcome
      ? { ok: false, status: outcome.status, bytes: JSON.stringify(outcome) }
      : { ok: outcome.step.name === 'done', status: 200, bytes: outcome.step.name, deviceToken: outcome.deviceToken };
  },
};

export const directDoor: Door = {
  name: 'the API',
  async attempt(h, scope, _methodId, { login, ...fields }) {
    const input = login === undefined ? fields : { username: login, ...fields };
    const outcome = await authenticateDirect(h.engine, input, { clientId: 'test' }, scope);
    return 'refused' in outcome
      ? { ok: false, status: outcome.status, bytes: JSON.stringify(outcome) }
      : { ok: true, status: 200, bytes: '' };
  },
};

export function loginMethodContract(fixture: MethodFixture, doors: readonly Door[] = [browserDoor, directDoor]): void {
  for (const door of doors) {
    describe(`${fixture.id}, by ${door.name}`, () => {
      const wrong = door.refused ?? 401;
      let h: Harness;
      before(async () => {
        h = await fixture.create();
      });
      after(() => h?.close());

      const attempt = (input: Record<string, string>, scope = h.stranger()) => door.attempt(h, scope, fixture.id, input);
      const attempts = async () => (await h.events()).filter(({ type }) => type.startsWith('login.'));
      const newEvents = async <T>(work: () => Promise<T>): Promise<[T, Awaited<ReturnType<Harness['events']>>]> => {
        const seen = (await attempts()).length;
        const result = await work();
        return [result, (await attempts()).slice(seen)];
      };

      it('lets in who is right, and records one event', async () => {
        const person = await fixture.enrolled(h);
        const [answer, events] = await newEvents(() => attempt(fixture.right(person)));
        assert.equal(answer.ok, true);
        assert.deepEqual(
          events.map(({ type, outcome, target_id }) => ({ type, outcome, target_id })),
          [{ type: 'login.succeeded', outcome: 'success', target_id: person.id }],
        );
      });

      it('refuses who is wrong, and records one event with the reason', async () => {
        const person = await fixture.enrolled(h);
        const [answer, events] = await newEvents(() => attempt(fixture.wrong(person)));
        assert.equal(answer.ok, false);
        assert.equal(answer.status, wrong);
        assert.equal(events.length, 1);
        assert.equal(events[0]!.type, 'login.refused');
        assert.equal(events[0]!.target_id, person.id);
        assert.ok(events[0]!.reason);
      });

      it('refuses an unknown, a disabled and a wrong one in the same bytes, one event each, without a name in it', async () => {
        const [person, disabled] = [await fixture.enrolled(h), await fixture.enrolled(h, { status: 'disabled' })];
        const answers: Answer[] = [];
        for (const input of [fixture.wrong(person), fixture.unknown(), fixture.right(disabled), fixture.wrong(disabled)]) {
          const [answer, events] = await newEvents(() => attempt(input));
          answers.push(answer);
          assert.deepEqual(
            events.map(({ type }) => type),
            ['login.refused'],
          );
          for (const value of Object.values(input)) assert.ok(!JSON.stringify(events).includes(value), 'what was typed is not in the log');
        }
        assert.deepEqual(new Set(answers.map(({ ok, status, bytes }) => JSON.stringify({ ok, status, bytes }))).size, 1);
      });

      // A bound with a margin of five, against a hash that is left out; the bench measures.
      it('does the work of a known account for an unknown one', async () => {
        const person = await fixture.enrolled(h);
        const time = async (input: () => Record<string, string>): Promise<number> => {
          const times: number[] = [];
          for (let round = 0; round < 7; round += 1) {
            const begin = performance.now();
            await attempt(input());
            times.push(performance.now() - begin);
          }
          return times.sort((a, b) => a - b)[3]!;
        };
        const [known, unknown] = [await time(() => fixture.wrong(person)), await time(fixture.unknown)];
        assert.ok(Math.max(known, unknown) < 5 * Math.min(known, unknown), `${known.toFixed(1)} ms and ${unknown.toFixed(1)} ms`);
      });

      it('passes nobody on an empty or misshapen input', async () => {
        const person = await fixture.enrolled(h);
        const right = fixture.right(person);
        for (const name of Object.keys(right)) {
          const { [name]: _left, ...less } = right;
          assert.equal((await attempt(less)).ok, false, `without ${name}`);
          assert.equal((await attempt({ ...right, [name]: '' })).ok, false, `with an empty ${name}`);
        }
        assert.equal((await attempt({})).ok, false);
      });

      it('evaluates no more than ten wrong ones of an account, however parallel, from however many addresses, and says so alike for nobody', async () => {
        const person = await fixture.enrolled(h);
        const seen = (await attempts()).length;
        await Promise.all(Array.from({ length: 30 }, () => attempt(fixture.wrong(person))));
        const reasons = (await attempts()).slice(seen).map(({ reason }) => reason);
        assert.equal(reasons.length, 30);
        assert.equal(reasons.filter((reason) => reason === 'limit.account').length, 20);
        const held = await attempt(fixture.right(person));
        assert.equal(held.ok, false);
        assert.equal(held.status, 429);

        const nobody = fixture.unknown();
        for (let round = 0; round < 10; round += 1) assert.equal((await attempt(nobody)).status, wrong);
        assert.equal((await attempt(nobody)).status, 429);
      });

      it('holds an address that fails too often, whomever it tries', async () => {
        const scope = h.stranger();
        const statuses: number[] = [];
        for (let round = 0; round < 31; round += 1) statuses.push((await attempt(fixture.unknown(), scope)).status);
        assert.deepEqual([statuses[29], statuses[30]], [wrong, 429]);
        assert.equal((await attempt(fixture.right(await fixture.enrolled(h)), scope)).status, 429);
      });

      if (door === browserDoor) {
        it('takes a step once: in turn, and of any number at the same time', async () => {
          const person = await fixture.enrolled(h);
          const once = newJourney();
          assert.equal((await door.attempt(h, h.stranger(), fixture.id, fixture.right(person), { journeyId: once })).ok, true);
          assert.equal((await door.attempt(h, h.stranger(), fixture.id, fixture.right(person), { journeyId: once })).status, 409);

          const shared = newJourney();
          const answers = await Promise.all(
            Array.from({ length: 8 }, () => door.attempt(h, h.stranger(), fixture.id, fixture.right(person), { journeyId: shared })),
          );
          assert.equal(answers.filter(({ ok }) => ok).length, 1);
          assert.ok(answers.every(({ ok, status }) => ok || status === 409));
        });

        it('goes nowhere in a journey that has expired', async () => {
          const person = await fixture.enrolled(h);
          const journeyId = newJourney();
          assert.equal((await door.attempt(h, h.stranger(), fixture.id, fixture.right(person), { journeyId })).ok, true);
          h.clock.forward(3600);
          assert.equal((await door.attempt(h, h.stranger(), fixture.id, fixture.right(person), { journeyId })).status, 409);
        });

        it('does not hold a device that signed in before, and holds it too when it guesses', async () => {
          const person = await fixture.enrolled(h);
          const { deviceToken = '' } = await attempt(fixture.right(person));
          assert.match(deviceToken, /^[\w-]{43}$/);
          for (let round = 0; round < 11; round += 1) await attempt(fixture.wrong(person));
          assert.equal((await attempt(fixture.right(person))).status, 429);
          const known = (input: Record<string, string>) => door.attempt(h, h.stranger(), fixture.id, input, { deviceToken });
          assert.equal((await known(fixture.right(person))).ok, true);
          for (let round = 0; round < 10; round += 1) assert.equal((await known(fixture.wrong(person))).status, 401);
          assert.equal((await known(fixture.right(person))).status, 429);
        });
      }
    });
  }
}
