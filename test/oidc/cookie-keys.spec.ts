import assert from 'node:assert/strict';
import Keygrip from 'keygrip';
import { createCookieKeys } from '#src/oidc/cookie-keys.ts';

describe('cookie keys', () => {
  const data = ['a=b', 'gatehouse=Zm9v; path=/', 'ü=\u{1f600}', ''];

  it('sign as Keygrip does, so that cookies outlive an exchange of the two', () => {
    const theirs = new Keygrip(['new key', 'older kéy'], 'sha256');
    const ours = createCookieKeys(['new key', 'older kéy']);
    for (const one of data) {
      assert.equal(ours.sign(one), theirs.sign(one));
      assert.equal(ours.index(one, new Keygrip(['older kéy'], 'sha256').sign(one)), 1);
    }
  });

  it('take no signature of another key, of other data, or of another length', () => {
    const ours = createCookieKeys(['one', 'two']);
    const right = ours.sign('a=b');
    assert.equal(ours.verify('a=b', right), true);
    for (const wrong of [createCookieKeys(['three']).sign('a=b'), ours.sign('a=c'), right.slice(0, -1), `${right}A`, '', 'é'.repeat(22)])
      assert.deepEqual([ours.index('a=b', wrong), ours.verify('a=b', wrong)], [-1, false]);
    assert.throws(() => createCookieKeys([]), RangeError);
  });
});
