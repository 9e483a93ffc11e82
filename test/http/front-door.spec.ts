import assert from 'node:assert/strict';
import { type Gatehouse, startGatehouse } from '#test/support/gatehouse.ts';

describe('the address of the issuer, and addresses nobody serves', function () {
  this.timeout(60_000);
  let gatehouse: Gatehouse;
  before(async () => {
    gatehouse = await startGatehouse();
  });
  after(() => gatehouse?.close());

  const ask = (path: string, accept: string, method = 'GET'): Promise<Response> =>
    fetch(gatehouse.issuer + path, { method, redirect: 'manual', headers: { accept } });

  it('leads whoever opens the bare address to their account', async () => {
    const answer = await ask('/', 'text/html');
    assert.deepEqual([answer.status, answer.headers.get('location')], [303, '/account']);
    assert.equal((await ask('/', 'text/html', 'POST')).status, 404);
  });

  it('says so in a page to a person, and in a problem document to a program', async () => {
    for (const path of ['/nothing', '/account/nothing', '//', '/token']) {
      const page = await ask(path, 'text/html');
      assert.equal(page.status, 404, path);
      if (path !== '//') assert.match(await page.text(), /There is no such page/, path);
      const problem = await ask(path, 'application/json');
      assert.equal(problem.status, 404, path);
      assert.equal(problem.headers.get('content-type'), 'application/problem+json; charset=utf-8', path);
      assert.equal(((await problem.json()) as { code: string }).code, 'path.not_found', path);
    }
  });
});
