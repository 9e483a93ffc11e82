import assert from 'node:assert/strict';
import { createGroupCommit, QueueFullError } from '#src/features/audit/group-commit.ts';

describe('group commit', () => {
  it('puts what arrives during a write into the next one, in order', async () => {
    const writes: number[][] = [];
    const append = createGroupCommit<number>(async (items) => {
      writes.push(items);
      await new Promise((resolve) => setTimeout(resolve, 5));
    });
    const first = append(1);
    await new Promise((resolve) => setImmediate(resolve));
    await Promise.all([first, append(2), append(3)]);
    assert.deepEqual(writes, [[1], [2, 3]]);
  });

  it('fails all of a group when the store is at fault, and none but the bad when an item is', async () => {
    const write = (code: string) => async (items: string[]) => {
      if (items.includes('bad')) throw Object.assign(new Error('refused'), { code });
    };
    const outcome = async (code: string): Promise<string[]> => {
      const append = createGroupCommit<string>(write(code));
      const results = await Promise.allSettled(['a', 'bad', 'b', 'c'].map(append));
      return results.map(({ status }) => status);
    };
    assert.deepEqual(await outcome('57P01'), ['rejected', 'rejected', 'rejected', 'rejected']);
    assert.deepEqual(await outcome('22P05'), ['fulfilled', 'rejected', 'fulfilled', 'fulfilled']);
    assert.deepEqual(await outcome('23514'), ['fulfilled', 'rejected', 'fulfilled', 'fulfilled']);
  });

  it('turns away at once what the bounded queue does not hold, and goes on after a failure', async () => {
    let fail = true;
    const append = createGroupCommit<number>(
      async () => {
        if (fail) throw new Error('down');
      },
      { maxQueue: 2 },
    );
    const results = await Promise.allSettled([append(1), append(2), append(3)]);
    assert.ok(results[2]!.status === 'rejected' && results[2].reason instanceof QueueFullError);
    fail = false;
    await append(4);
  });
});
