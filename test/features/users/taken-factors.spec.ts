/** Whoever has a factor taken from them by an administrator hears of it, and no device stands in for it any more. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { newId } from '#src/core/ids.ts';
import { type RunningApp, startTestApp } from '#test/support/app.ts';

describe('factors that an administrator takes', function () {
  this.timeout(30_000);
  let app: RunningApp;
  before(async () => {
    app = await startTestApp();
  });
  after(() => app.close());

  const subjects = async (to: string, count: number): Promise<string[]> => {
    for (let round = 0; ; round += 1) {
      const all = (await (await fetch(`${app.issuer}/dev/mailbox.json`)).json()) as { to: string; subject: string }[];
      const found = all.filter((mail) => mail.to === to).map(({ subject }) => subject);
      if (found.length >= count || round === 100) return found.sort();
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  };

  it('are told of by mail, one for each kind, and take the trust from remembered devices', async () => {
    const email = 'taken@example.test';
    const made = await app.api('POST', '/api/users', { email, emailVerified: true, password: 'violet cactus thunder marble' });
    assert.equal(made.status, 201, made.text);
    const id = String(made.body['id']);
    const totp = newId();
    for (const one of [totp, newId()])
      await app.owner.query(`insert into credentials (id, user_id, type, name, data) values ($1, $2, 'totp', 'App', '{"lastStep":0}')`, [
        one,
        id,
      ]);
    const trust = `insert into known_devices (user_id, device_hash, trusted_until) values ($1, $2, now() + interval '9 days')`;
    const trusted = async (): Promise<number | null> =>
      (await app.owner.query('select 1 from known_devices where user_id = $1 and trusted_until is not null', [id])).rowCount;
    await app.owner.query(trust, [id, randomBytes(32).toString('base64url')]);
    assert.equal(await trusted(), 1);

    assert.equal((await app.api('DELETE', `/api/users/${id}/factors/${totp}`)).status, 200);
    assert.equal(await trusted(), 0);
    const [first = '', ...none] = await subjects(email, 1);
    assert.match(first, /^An authenticator app was removed from your .+ account$/);
    assert.deepEqual(none, []);

    assert.equal((await app.api('DELETE', `/api/users/${id}/factors`)).body['ended'], 2);
    const all = await subjects(email, 3);
    assert.equal(all.filter((subject) => /authenticator app was removed/.test(subject)).length, 2);
    assert.equal(all.filter((subject) => /^The password of your .+ account was removed$/.test(subject)).length, 1);
  });
});
