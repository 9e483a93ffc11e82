/** People with rights over people, and a weak or stolen sign-in, against themselves: C11 by the other door. */
import assert from 'node:assert/strict';
import { generate } from 'otplib';
import type { Reply } from '#test/support/app.ts';
import type { HalfWayPerson } from '#test/support/half-way.ts';
import { giveRole } from '#test/support/roles.ts';
import { appDoors, NEXT } from './app-doors.ts';
import { bearer, codeOf, done } from './scene.ts';

describe('attacks on an administrator by the rights they have', function () {
  this.timeout(120_000);
  const d = appDoors();
  const { post, password, tokenOf, isDue, credentialsOf, withPhone } = d;

  const administrator = async (): Promise<HalfWayPerson> => {
    const person = await d.w.newPerson();
    await withPhone(person);
    await giveRole(d.w.site.app.owner, d.w.site.app.rootTenantId, person.id, 'administrator');
    return person;
  };
  const by = (token: string, method: string, path: string, body?: object): Promise<Reply> =>
    d.w.site.app.api(method, path, body, bearer(token));

  it('C11: the routes of the management of people open no way round a second factor of one’s own', async () => {
    const person = await administrator();
    const weak = await tokenOf(person);
    const secret = await d.w.addTotp(person);
    const path = `/api/users/${person.id}`;
    const { items } = await done(by(weak, 'GET', `${path}/factors`));
    const totp = (items as { id: string; type: string }[]).find(({ type }) => type === 'totp');
    const before = await credentialsOf(person);
    for (const [method, at, body] of [
      ['DELETE', `${path}/factors`],
      ['DELETE', `${path}/factors/${totp?.id}`],
      ['PATCH', path, { password: NEXT }],
      ['PUT', path, { password: NEXT }],
      ['PATCH', path, { email: `evil.${person.login}` }],
      ['PATCH', path, { phone: '+66812349999' }],
      ['PATCH', path, { phone: null }],
      ['DELETE', path],
    ] as [string, string, object?][]) {
      const answer = await by(weak, method, at, body);
      assert.equal(codeOf(answer), '401 authentication.insufficient', `${method} ${at}: ${answer.text}`);
    }
    assert.deepEqual(await credentialsOf(person), before);
    await done(by(weak, 'PATCH', path, { givenName: 'Grace' }));
    const mfaToken = isDue(await password(person), 'password');
    const strong = await done(post('login/2fa', { mfaToken, code: await generate({ secret }) }));
    await done(by(String(strong['access_token']), 'PATCH', path, { phone: null }));
  });
});
