/** A tenant that wants work done before it has messages sent: clients that sign people in by themselves are asked for it as browsers are. */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { leadingZeros } from '#src/login/challenge.ts';
import { basicAuth, type Reply, type RunningApp, startTestApp } from '#test/support/app.ts';
import { setUpTenancy, type Tenancy } from '#test/support/tenancy.ts';

const DIFFICULTY = 10;
const PASSWORD = 'violet cactus thunder marble';
const PATHS = ['otp', 'register', 'password/reset'] as const;
type Path = (typeof PATHS)[number];

describe('a challenge at the doors of applications', function () {
  this.timeout(60_000);
  let app: RunningApp;
  let tenancy: Tenancy;
  let client: { id: string; secret: string };
  let ofAnother: { id: string; secret: string };
  let made = 0;

  before(async () => {
    app = await startTestApp();
    tenancy = await setUpTenancy(app);
    client = await tenancy.addClient(app.rootTenantId, { direct_login: true });
    ofAnother = await tenancy.addClient(tenancy.one.id, { direct_login: true });
  });
  after(() => app?.close());
  beforeEach(() => ask({ kind: 'proof-of-work', difficulty: DIFFICULTY }));

  async function ask(challenge: object | null): Promise<void> {
    const answer = await app.api('PATCH', `/api/tenants/${app.rootTenantId}`, { settings: { challenge } });
    assert.equal(answer.status, 200, answer.text);
  }
  const bodies: Record<Path, () => object> = {
    otp: () => ({ channel: 'email', to: newAddressee() }),
    register: () => ({ email: newAddressee(), password: PASSWORD, givenName: 'N', familyName: 'N' }),
    'password/reset': () => ({ email: newAddressee() }),
  };
  function newAddressee(): string {
    made += 1;
    return `asked${made}@example.test`;
  }
  const door = (path: string, body: object, by = client): Promise<Reply> => app.api('POST', `/api/auth/${path}`, body, basicAuth(by));
  const taskOf = (answer: Reply): string => {
    assert.equal(answer.status, 403, answer.text);
    assert.equal(answer.body['code'], 'auth.challenge_required');
    const { kind, token, difficulty } = answer.body['challenge'] as Record<string, unknown>;
    assert.deepEqual([kind, difficulty], ['proof-of-work', DIFFICULTY]);
    return String(token);
  };
  /** The number that is right, or one that is not. */
  const find = (token: string, isRight = true): string => {
    for (let number = 0; ; number += 1) if (leadingZeros(`${token}.${number}`) >= DIFFICULTY === isRight) return `${token}.${number}`;
  };
  /** Jobs of another path may still be under way. */
  const sent = async (path: Path): Promise<number> => {
    const text = `select 1 from audit_events where type in ('code.sent', 'code.refused') and data ->> 'purpose' = $1`;
    return (await app.owner.query(text, [path === 'otp' ? 'sign-in' : path === 'register' ? path : 'reset'])).rowCount ?? 0;
  };
  const refusals = async (): Promise<string[]> =>
    ((await app.api('GET', '/api/audit-events?type=request.refused&limit=100')).body['items'] as { reason: string }[]).map(
      ({ reason }) => reason,
    );

  for (const path of PATHS)
    it(`is asked for at ${path}, with one event for each refusal, and takes the number that was worked for once`, async () => {
      const [before, messages] = [(await refusals()).length, await sent(path)];
      const token = taskOf(await door(path, bodies[path]()));
      assert.deepEqual((await refusals())[0], 'challenge.missing');
      for (const challenge of ['', 'made.1', find(token, false), `${find(token)}.1`, `${'A'.repeat(120)}.7`])
        taskOf(await door(path, { ...bodies[path](), challenge }));
      assert.deepEqual((await refusals())[0], 'challenge.unsolved');
      assert.equal((await refusals()).length - before, 6);
      assert.equal(await sent(path), messages, 'nothing was sent meanwhile');

      const challenge = find(token);
      const answers = await Promise.all(Array.from({ length: 5 }, () => door(path, { ...bodies[path](), challenge })));
      for (let left = 100; (await sent(path)) === messages && left > 0; left -= 1) await sleep(50);
      assert.equal((await sent(path)) - messages, 1);
      assert.deepEqual(answers.map(({ status }) => status).sort(), [202, 403, 403, 403, 403]);
    });

  it('is for one path and one tenant', async () => {
    const token = taskOf(await door('register', bodies.register()));
    for (const path of ['otp', 'password/reset'] as const) taskOf(await door(path, { ...bodies[path](), challenge: find(token) }));
    const elsewhere = await door('register', bodies.register(), ofAnother);
    assert.notEqual(elsewhere.body['code'], 'auth.challenge_required', 'another tenant asks for nothing');
    assert.equal((await door('register', { ...bodies.register(), challenge: find(token) })).status, 202);
  });

  it('is asked for by no password, and nowhere where the tenant says nothing', async () => {
    const wrong = await door('login', { username: 'nobody@example.test', password: 'no password of anybody' });
    assert.equal(wrong.body['code'], 'auth.invalid_credentials', wrong.text);
    await ask(null);
    for (const path of PATHS) assert.equal((await door(path, bodies[path]())).status, 202, path);
  });

  it('takes nothing but text, however long', async () => {
    for (const challenge of [7, {}, ['a.1'], 'a\0.1', 'x'.repeat(20_000)])
      assert.equal((await door('otp', { ...bodies.otp(), challenge })).status, 422, JSON.stringify(challenge).slice(0, 20));
    taskOf(await door('otp', { ...bodies.otp(), challenge: `${'x'.repeat(15_000)}.1` }));
  });
});
