import assert from 'node:assert/strict';
import { PASSWORD } from './harness.ts';
import { CALLBACK, type Site, startSite } from './site.ts';

describe('sign-in on a server that cannot send mail', () => {
  let site: Site;
  before(async () => {
    site = await startSite({ mail: false });
    await site.addClient('app');
  });
  after(() => site?.close());

  it('offers neither registration nor reset, refuses both with 503, and signs in as ever', async () => {
    const person = await site.addPerson({ password: PASSWORD });
    const visitor = site.visitor();
    await visitor.signIn('app', { prompt: 'create' });
    assert.equal(visitor.heading, 'Sign in');
    const form = visitor.at!;
    assert.ok(!form.text.includes('/register') && !form.text.includes('/reset'));
    for (const path of ['register', 'reset']) {
      await visitor.open(`${form.url}/${path}`);
      assert.equal(visitor.at!.status, 503, path);
      visitor.at = { ...form, url: `${form.url}/${path}`, text: form.text.replace(/ action="[^"]*"/, '') };
      assert.equal((await visitor.send({ email: person.email, new_password: PASSWORD })).status, 503, path);
    }
    visitor.at = form;
    assert.ok((await visitor.submit({ login: person.email, password: PASSWORD })).location?.href.startsWith(CALLBACK));
  });
});
