import { randomUUID } from 'node:crypto';
import { loginMethodContract } from '../contract/login-method.ts';
import { createHarness, PASSWORD } from './harness.ts';

describe('sign-in by password keeps the contract of login methods', () => {
  loginMethodContract({
    id: 'password',
    create: () => createHarness(),
    enrolled: (h, options) => h.addPerson({ password: PASSWORD, ...options }),
    right: ({ email }) => ({ login: email, password: PASSWORD }),
    wrong: ({ email }) => ({ login: email, password: 'a wrong password' }),
    unknown: () => ({ login: `${randomUUID()}@example.com`, password: 'a wrong password' }),
  });
});
