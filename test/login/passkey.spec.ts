import assert from 'node:assert/strict';
import { newId, newSecret, sha256 } from '#src/core/ids.ts';
import { passkeyEnrolment } from '#src/login/enrol/passkey.ts';
import { type CreationOptions, createPasskey, type Passkey, type RequestOptions, usePasskey, type Wishes } from '#test/support/webauthn.ts';
import { createHarness, type Harness, PASSWORD, type TestPerson } from './harness.ts';

const ISSUER = 'http://localhost:3000';

describe('a passkey', () => {
  let h: Harness;
  before(async () => {
    h = await createHarness();
  });
  after(() => h?.close());

  const enrol = async (person: TestPerson, wishes: Wishes = {}): Promise<Passkey> => {
    const who = { id: person.id, login: person.email, name: 'Ada', passkeys: [] };
    const place = { issuer: ISSUER, name: 'Acme' };
    const state = await passkeyEnrolment.start(who, place);
    const options = (await passkeyEnrolment.show(state, who, place)) as CreationOptions;
    const { passkey, credential } = createPasskey(options, ISSUER, wishes);
    const names = { totp: 'App', passkey: 'Key' };
    const factor = await passkeyEnrolment.finish(state, { credential: credential as never }, { now: h.clock.now(), issuer: ISSUER, names });
    assert.ok(factor);
    const text = `insert into credentials (id, user_id, type, name, data, lookup) values ($1, $2, 'passkey', $3, $4::jsonb, $5)`;
    await h.db.query({ name: 'test-passkey', text }, [newId(), person.id, factor.name, JSON.stringify(factor.data), factor.lookup]);
    return passkey;
  };
  const begin = async (journeyId = sha256(newSecret())): Promise<{ journeyId: string; options: RequestOptions }> => {
    const begun = await h.engine.begin(h.stranger(), {
      door: 'browser',
      journeyId,
      methodId: 'passkey',
      input: {},
      url: `${ISSUER}/login/x`,
    });
    assert.ok('challenge' in begun, JSON.stringify(begun));
    return { journeyId, options: begun.challenge as RequestOptions };
  };
  const attempt = (journeyId: string, passkey: object) =>
    h.engine.attempt(h.stranger(), { door: 'browser', journeyId, methodId: 'passkey', input: { passkey: JSON.stringify(passkey) } });
  const reasons = async () => (await h.events('login.refused')).map(({ reason }) => reason);

  it('says by itself whose it is, and with the person verified is phishing resistant and enough', async () => {
    const person = await h.addPerson();
    const key = await enrol(person);
    const { journeyId, options } = await begin();
    assert.deepEqual([options.rpId, options.allowCredentials], ['localhost', []]);
    const outcome = await attempt(journeyId, usePasskey(key, options, ISSUER));
    assert.ok('step' in outcome && outcome.step.name === 'done', JSON.stringify(outcome));
    assert.deepEqual([outcome.step.accountId, outcome.step.acr], [person.id, 'phr']);
    assert.deepEqual([...outcome.step.amr].sort(), ['hwk', 'mfa', 'user']);
  });

  it('that is on several devices says so, and needs no counter', async () => {
    const key = await enrol(await h.addPerson(), { synced: true, counter: 0 });
    for (let times = 0; times < 2; times += 1) {
      const { journeyId, options } = await begin();
      const outcome = await attempt(journeyId, usePasskey(key, options, ISSUER, { synced: true, counter: 0 }));
      assert.ok('step' in outcome && outcome.step.name === 'done', JSON.stringify(outcome));
      assert.ok(outcome.step.amr.includes('swk'));
    }
  });

  it('C25: is refused with a wrong origin, relying party, challenge or signature, for another person, and with a counter that goes back', async () => {
    const person = await h.addPerson();
    const other = await h.addPerson();
    const key = await enrol(person);
    const foreign = await enrol(other);
    const hostile: [Wishes, string][] = [
      [{ origin: 'https://evil.test' }, 'passkey.wrong'],
      [{ origin: 'http://localhost:3001' }, 'passkey.wrong'],
      [{ rpId: 'evil.test' }, 'passkey.wrong'],
      [{ challenge: 'AAAA' }, 'passkey.wrong'],
      [{ userHandle: foreign.userHandle }, 'passkey.other_person'],
      [{ counter: 1 }, 'passkey.counter'],
      [{ counter: 0 }, 'passkey.counter'],
    ];
    for (const [wishes, reason] of hostile) {
      const { journeyId, options } = await begin();
      const refused = await attempt(journeyId, usePasskey({ ...key }, options, ISSUER, wishes));
      assert.ok('refused' in refused && refused.status === 401, JSON.stringify(wishes));
      assert.equal((await reasons()).at(-1), reason, JSON.stringify(wishes));
    }
    const { journeyId, options } = await begin();
    const swapped = { ...usePasskey(foreign, options, ISSUER), id: key.id, rawId: key.id };
    assert.ok('refused' in (await attempt(journeyId, swapped)));
    for (const none of [{}, [], 'x', { id: key.id }]) assert.ok('refused' in (await attempt(journeyId, none as object)));
  });

  it('C25: is taken once for each challenge, and not without one', async () => {
    const key = await enrol(await h.addPerson());
    const { journeyId, options } = await begin();
    const answer = usePasskey(key, options, ISSUER);
    const outcomes = await Promise.all(Array.from({ length: 5 }, () => attempt(journeyId, answer)));
    assert.equal(outcomes.filter((outcome) => 'step' in outcome).length, 1, JSON.stringify(outcomes));
    const elsewhere = await attempt(sha256(newSecret()), usePasskey(key, options, ISSUER));
    assert.ok('refused' in elsewhere);
    assert.equal((await reasons()).at(-1), 'passkey.challenge');
  });

  it('without the person verified is one factor, and as the second factor of a password makes two', async () => {
    const person = await h.addPerson({ password: PASSWORD });
    const key = await enrol(person, { verified: false });
    const journeyId = sha256(newSecret());
    const input = { login: person.email, password: PASSWORD };
    const first = await h.engine.attempt(h.stranger(), { door: 'browser', journeyId, methodId: 'password', input });
    assert.ok('step' in first && first.step.name === 'prove', JSON.stringify(first));
    const { options } = await begin(journeyId);
    assert.deepEqual(
      options.allowCredentials?.map(({ id }) => id),
      [key.id],
    );
    const outcome = await attempt(journeyId, usePasskey(key, options, ISSUER, { verified: false }));
    assert.ok('step' in outcome && outcome.step.name === 'done', JSON.stringify(outcome));
    assert.deepEqual([outcome.step.acr, [...outcome.step.amr].sort()], ['urn:gatehouse:acr:2fa', ['hwk', 'mfa', 'pwd']]);
  });

  it('without the person verified, first and alone, is one factor', async () => {
    const person = await h.addPerson({ password: PASSWORD });
    const key = await enrol(person, { verified: false });
    const { journeyId, options } = await begin();
    const outcome = await attempt(journeyId, usePasskey(key, options, ISSUER, { verified: false }));
    assert.ok('step' in outcome && outcome.step.name === 'done', JSON.stringify(outcome));
    assert.deepEqual([outcome.step.acr, outcome.step.amr], ['urn:gatehouse:acr:1fa', ['hwk']]);
  });

  it('H5: is asked for alike of everybody: no list by name says who has an account', async () => {
    const person = await h.addPerson({ password: PASSWORD });
    await enrol(person);
    for (const login of [person.email, 'nobody@example.test']) {
      const begun = await h.engine.begin(h.stranger(), {
        door: 'browser',
        journeyId: sha256(newSecret()),
        methodId: 'passkey',
        input: { login },
        url: ISSUER,
      });
      assert.ok('challenge' in begun);
      const { challenge: _challenge, ...rest } = JSON.parse(JSON.stringify(begun.challenge)) as RequestOptions;
      assert.deepEqual(rest, { rpId: 'localhost', allowCredentials: [], timeout: 300_000, userVerification: 'preferred' });
    }
  });

  it('of somebody who is disabled lets nobody in', async () => {
    const person = await h.addPerson({ status: 'disabled' });
    const key = await enrol(person);
    const { journeyId, options } = await begin();
    assert.ok('refused' in (await attempt(journeyId, usePasskey(key, options, ISSUER))));
    assert.equal((await reasons()).at(-1), 'account.disabled');
  });
});
