import assert from 'node:assert/strict';
import { freshState, type JourneyState } from '#src/login/journey.ts';
import { type LoginPolicy, nextStep, ONE_FACTOR, PHISHING_RESISTANT, TWO_FACTORS } from '#src/login/next-step.ts';

const methods: LoginPolicy['methods'] = [
  { id: 'password', factor: 'knowledge', first: true },
  { id: 'email-otp', factor: 'possession', first: true },
  { id: 'totp', factor: 'possession', first: false },
];
const policy: LoginPolicy = { methods, requiredAcr: ONE_FACTOR, verifiedEmail: false };
const knew = { methodId: 'password', factor: 'knowledge', amr: ['pwd'], at: 100 } as const;
const had = { methodId: 'totp', factor: 'possession', amr: ['otp'], at: 160 } as const;
const proofs = (...all: readonly { methodId: string; factor: 'knowledge' | 'possession'; amr: readonly string[]; at: number }[]) => ({
  accountId: 'someone',
  proofs: all.map((proof) => ({ ...proof, amr: [...proof.amr] })),
});

const cases: readonly (readonly [sentence: string, state: Partial<JourneyState>, policy: Partial<LoginPolicy>, expected: object])[] = [
  ['begins with the methods that say who somebody is', {}, {}, { name: 'prove', first: true, methods: ['password', 'email-otp'] }],
  [
    'is not moved by an account without a proof',
    { accountId: 'someone' },
    {},
    { name: 'prove', first: true, methods: ['password', 'email-otp'] },
  ],
  [
    'is over after one proof where one factor is enough',
    proofs(knew),
    {},
    { name: 'done', accountId: 'someone', acr: ONE_FACTOR, amr: ['pwd'], authTime: 100 },
  ],
  [
    'asks for an enrolled second factor though nobody requires it',
    { ...proofs(knew), secondFactors: ['totp'] },
    {},
    { name: 'prove', first: false, methods: ['totp'] },
  ],
  [
    'asks for a second factor that is required',
    { ...proofs(knew), secondFactors: ['totp'] },
    { requiredAcr: TWO_FACTORS },
    { name: 'prove', first: false, methods: ['totp'] },
  ],
  [
    'says so where a required second factor is not there',
    proofs(knew),
    { requiredAcr: TWO_FACTORS },
    { name: 'unreachable', requiredAcr: TWO_FACTORS },
  ],
  [
    'does not count one factor twice',
    { ...proofs(had, had), secondFactors: ['totp'] },
    {},
    { name: 'unreachable', requiredAcr: TWO_FACTORS },
  ],
  [
    'is over after two factors',
    { ...proofs(knew, had), secondFactors: ['totp'] },
    {},
    { name: 'done', accountId: 'someone', acr: TWO_FACTORS, amr: ['pwd', 'otp', 'mfa'], authTime: 160 },
  ],
  [
    'cannot reach what no factor here reaches',
    { ...proofs(knew, had), secondFactors: ['totp'] },
    { requiredAcr: PHISHING_RESISTANT },
    { name: 'unreachable', requiredAcr: PHISHING_RESISTANT },
  ],
  [
    'asks for the second factor before a forced change',
    { ...proofs(knew), secondFactors: ['totp'], demands: ['change_password'] },
    {},
    { name: 'prove', first: false, methods: ['totp'] },
  ],
  ['does not leave out a forced change', { ...proofs(knew), demands: ['change_password'] }, {}, { name: 'change_password' }],
  [
    'asks for a proven address only where that is asked for',
    { ...proofs(knew), demands: ['verify_email'] },
    {},
    { name: 'done', accountId: 'someone', acr: ONE_FACTOR, amr: ['pwd'], authTime: 100 },
  ],
  [
    'asks for a proven address before the new password',
    { ...proofs(knew), demands: ['change_password', 'verify_email'] },
    { verifiedEmail: true },
    { name: 'verify_email' },
  ],
  [
    'waits for the code of an address',
    { ...proofs(knew), demands: ['verify_email'], pending: 'verify' },
    { verifiedEmail: true },
    { name: 'enter_code', purpose: 'verify' },
  ],
  ['waits for the code of a registration', { pending: 'register' }, {}, { name: 'enter_code', purpose: 'register' }],
  ['waits for the code of a reset', { pending: 'reset' }, {}, { name: 'reset_password' }],
  [
    'asks for the second factor after a reset',
    { ...proofs(knew), secondFactors: ['totp'] },
    {},
    { name: 'prove', first: false, methods: ['totp'] },
  ],
];

describe('the next step of a sign-in', () => {
  for (const [sentence, state, wanted, expected] of cases) {
    it(sentence, () => assert.deepEqual(nextStep({ ...freshState(), ...state }, { ...policy, ...wanted }), expected));
  }
});
