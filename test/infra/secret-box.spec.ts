import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { createSecretBox, SecretBoxError } from '#src/infra/secret-box.ts';

describe('secret box', () => {
  const [old, fresh] = [randomBytes(32), randomBytes(32)];

  it('opens what it sealed, and never seals to the same bytes twice', () => {
    const box = createSecretBox([old]);
    const [one, two] = [box.seal('grün', 'mail'), box.seal('grün', 'mail')];
    assert.equal(box.open(one, 'mail').toString(), 'grün');
    assert.notDeepEqual(one, two);
    assert.deepEqual(box.open(box.seal(Buffer.from([0, 255]), 'x'), 'x'), Buffer.from([0, 255]));
  });

  it('refuses another context, a changed byte anywhere, and what was never sealed', () => {
    const box = createSecretBox([old]);
    const sealed = box.seal('secret', 'a');
    assert.throws(() => box.open(sealed, 'b'), SecretBoxError);
    for (let at = 0; at < sealed.length; at += 1) {
      const changed = Buffer.from(sealed);
      changed[at] = changed[at]! ^ 1;
      assert.throws(() => box.open(changed, 'a'), SecretBoxError, `byte ${at}`);
    }
    assert.throws(() => box.open(sealed.subarray(0, 20), 'a'), SecretBoxError);
    assert.throws(() => box.open(Buffer.alloc(0), 'a'), SecretBoxError);
  });

  it('reads old values after a rotation and writes under the new key only', () => {
    const before = createSecretBox([old]);
    const after = createSecretBox([fresh, old]);
    assert.equal(after.open(before.seal('kept', 'x'), 'x').toString(), 'kept');
    assert.throws(() => before.open(after.seal('new', 'x'), 'x'), /not configured/);
  });

  it('hashes by context and key, and finds hashes of before a rotation', () => {
    const before = createSecretBox([old]);
    const after = createSecretBox([fresh, old]);
    assert.equal(before.mac('code', '123456'), before.mac('code', '123456'));
    assert.notEqual(before.mac('code', '123456'), before.mac('address', '123456'));
    assert.notEqual(before.mac('a', 'b:c'), before.mac('a:b', 'c'));
    assert.deepEqual(after.macAll('code', '1'), [after.mac('code', '1'), before.mac('code', '1')]);
  });

  it('needs keys of 32 bytes', () => {
    assert.throws(() => createSecretBox([]), RangeError);
    assert.throws(() => createSecretBox([randomBytes(16)]), RangeError);
  });
});
