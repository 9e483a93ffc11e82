import assert from 'node:assert/strict';
import argon2 from 'argon2';
import { AppError } from '#src/core/errors.ts';
import { createPasswordHasher } from '#src/infra/password-hash.ts';

describe('password hash', () => {
  it('verifies the right password only, with argon2id at the settings that were chosen', async () => {
    const hasher = createPasswordHasher();
    const hash = await hasher.hash('correct horse');
    assert.match(hash, /^\$argon2id\$v=19\$m=19456,(p=1,t=2|t=2,p=1)\$/);
    assert.equal(await hasher.verify(hash, 'correct horse'), true);
    assert.equal(await hasher.verify(hash, 'Correct horse'), false);
    assert.equal(hasher.needsRehash(hash), false);
  });

  it('says that hashes of weaker settings or of another kind are to be made anew', async () => {
    const hasher = createPasswordHasher();
    assert.equal(
      hasher.needsRehash(await argon2.hash('x', { type: argon2.argon2id, memoryCost: 8192, timeCost: 2, parallelism: 1 })),
      true,
    );
    assert.equal(
      hasher.needsRehash(await argon2.hash('x', { type: argon2.argon2i, memoryCost: 19_456, timeCost: 2, parallelism: 1 })),
      true,
    );
  });

  it('takes as long for an unknown account as for a known one', async () => {
    const hasher = createPasswordHasher({ concurrency: 1 });
    const hash = await hasher.hash('x');
    assert.equal(await hasher.verify(undefined, 'nobody has this password'), false);
    const time = async (stored: string | undefined): Promise<number> => {
      const rounds: number[] = [];
      for (let round = 0; round < 7; round += 1) {
        const before = performance.now();
        await hasher.verify(stored, 'wrong');
        rounds.push(performance.now() - before);
      }
      return Math.min(...rounds);
    };
    const [known, unknown] = [await time(hash), await time(undefined)];
    assert.ok(unknown > known * 0.6 && unknown < known * 1.7, `known ${known} ms, unknown ${unknown} ms`);
  });

  it('turns away who waits too long with 503 and Retry-After, and serves who comes after', async () => {
    const hasher = createPasswordHasher({ concurrency: 1, queueMs: 20 });
    const results = await Promise.allSettled(Array.from({ length: 20 }, () => hasher.hash('x')));
    const refused = results.filter((result) => result.status === 'rejected').map(({ reason }) => reason as AppError);
    assert.ok(refused.length > 0 && refused.length < 20);
    for (const error of refused) {
      assert.ok(error instanceof AppError);
      assert.deepEqual([error.status, error.code, error.headers['retry-after']], [503, 'service.busy', '2']);
    }
    assert.equal(await hasher.verify(await hasher.hash('later'), 'later'), true);
  });
});
