import assert from 'node:assert/strict';
import type { KeySchedule, SigningAlg, SigningKey, SigningKeyState } from '#src/features/signing-keys/index.ts';
import { planKeys, type Wish } from '#src/features/signing-keys/plan.ts';

const schedule: KeySchedule = { jwksMaxAgeSeconds: 300, marginSeconds: 60, periodSeconds: 90 * 86_400, longestTokenSeconds: 86_400 };
const NOW = new Date('2026-06-01T00:00:00Z');
const ago = (seconds: number): Date => new Date(NOW.getTime() - seconds * 1000);

function key(kid: string, alg: SigningAlg, state: SigningKeyState, seconds: number): SigningKey {
  const at = ago(seconds);
  return {
    kid,
    alg,
    state,
    publicJwk: {},
    createdAt: at,
    publishedAt: at,
    activatedAt: state === 'next' ? null : at,
    retiredAt: state === 'retired' ? at : null,
    revokedAt: state === 'revoked' ? at : null,
  };
}

// Of the other two algorithms, keys that need nothing.
const others = (['ES256', 'EdDSA'] as const).flatMap((alg) => [key(`${alg}-a`, alg, 'active', 1000), key(`${alg}-n`, alg, 'next', 1000)]);
const DAY = 86_400;

const table: [string, SigningKey[], Wish, string[], number | undefined][] = [
  ['nothing is due', [key('a', 'RS256', 'active', 10 * DAY), key('n', 'RS256', 'next', 10 * DAY)], { mode: 'tend' }, [], undefined],
  [
    'an installation without keys gets one that signs and one that waits',
    [],
    { mode: 'tend' },
    ['create active', 'create next'],
    undefined,
  ],
  ['a missing next key is made', [key('a', 'RS256', 'active', DAY)], { mode: 'tend' }, ['create next'], undefined],
  [
    'after its period a key makes way for the next',
    [key('a', 'RS256', 'active', 91 * DAY), key('n', 'RS256', 'next', DAY)],
    { mode: 'tend' },
    ['retire a', 'activate n', 'create next'],
    undefined,
  ],
  [
    'but not to one that was not published for long enough',
    [key('a', 'RS256', 'active', 91 * DAY), key('n', 'RS256', 'next', 359)],
    { mode: 'tend' },
    [],
    undefined,
  ],
  [
    'a wish is granted at once where the next key is known everywhere',
    [key('a', 'RS256', 'active', DAY), key('n', 'RS256', 'next', 360)],
    { mode: 'scheduled', algs: ['RS256'] },
    ['retire a', 'activate n', 'create next'],
    undefined,
  ],
  [
    'and else when it will be',
    [key('a', 'RS256', 'active', DAY), key('n', 'RS256', 'next', 300)],
    { mode: 'scheduled', algs: ['RS256'] },
    [],
    60,
  ],
  [
    'an emergency withdraws every key that has signed, and does not wait',
    [key('a', 'RS256', 'active', DAY), key('r', 'RS256', 'retired', 10), key('n', 'RS256', 'next', 1)],
    { mode: 'emergency', algs: ['RS256'] },
    ['revoke a', 'revoke r', 'activate n', 'create next'],
    undefined,
  ],
  [
    'a retired key stays until what it signed has expired and nobody has an old key set',
    [key('a', 'RS256', 'active', DAY), key('n', 'RS256', 'next', DAY), key('r', 'RS256', 'retired', DAY + 299)],
    { mode: 'tend' },
    [],
    undefined,
  ],
  [
    'and then goes',
    [key('a', 'RS256', 'active', DAY), key('n', 'RS256', 'next', DAY), key('r', 'RS256', 'retired', DAY + 300)],
    { mode: 'tend' },
    ['delete r'],
    undefined,
  ],
];

describe('plan of the signing keys', () => {
  for (const [name, keys, wish, expected, laterSeconds] of table) {
    it(name, () => {
      const { steps, laterAt } = planKeys([...keys, ...others], NOW, schedule, wish);
      assert.deepEqual(
        steps.map((step) => (step.do === 'create' ? `create ${step.state}` : `${step.do} ${step.kid}`)),
        expected,
      );
      assert.equal(laterAt && (laterAt.getTime() - NOW.getTime()) / 1000, laterSeconds);
    });
  }

  it('leaves the other algorithms alone', () => {
    const keys = [key('a', 'RS256', 'active', DAY), key('n', 'RS256', 'next', DAY), ...others];
    const { steps } = planKeys(keys, NOW, schedule, { mode: 'emergency', algs: ['ES256'] });
    assert.deepEqual([...new Set(steps.map(({ alg }) => alg))], ['ES256']);
  });
});
