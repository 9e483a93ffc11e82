import assert from 'node:assert/strict';
import { linesOf, MOST_BYTES, type RawLine } from '#src/features/imports/lines.ts';
import { fromExport } from '#src/features/users/import-formats.ts';

const cut = async (...chunks: (string | Buffer)[]): Promise<RawLine[]> => {
  const lines: RawLine[] = [];
  async function* body() {
    for (const chunk of chunks) yield Buffer.from(chunk);
  }
  for await (const line of linesOf(body())) lines.push(line);
  return lines;
};

describe('lines of an import', () => {
  it('are the same however the body is cut, with their numbers, without the empty ones', async () => {
    const body = Buffer.from('{"a":"ä"}\r\n\n  \n{"b":1}\n{"c":2}');
    const expected = [
      { number: 1, text: '{"a":"ä"}' },
      { number: 4, text: '{"b":1}' },
      { number: 5, text: '{"c":2}' },
    ];
    assert.deepEqual(await cut(body), expected);
    assert.deepEqual(await cut(...Array.from(body, (byte) => Buffer.from([byte]))), expected);
    assert.deepEqual(await cut(), []);
  });

  it('are a fault where they are too long or no UTF-8, and the next is read', async () => {
    const long = 'x'.repeat(MOST_BYTES + 1);
    assert.deepEqual(await cut(long.slice(0, 40_000), `${long.slice(40_000)}\n`, Buffer.from([0xff, 0x0a]), 'ok'), [
      { number: 1, fault: 'too_long' },
      { number: 2, fault: 'not_utf8' },
      { number: 3, text: 'ok' },
    ]);
    assert.deepEqual(await cut('x'.repeat(MOST_BYTES)), [{ number: 1, text: 'x'.repeat(MOST_BYTES) }]);
  });

  it('are read as Keycloak and Auth0 export people', () => {
    const credential = {
      credentialData: '{"algorithm":"pbkdf2-sha256","hashIterations":27500}',
      secretData: '{"value":"dg==","salt":"cw=="}',
    };
    assert.deepEqual(
      fromExport('keycloak', {
        id: 'x',
        createdTimestamp: 1,
        username: 'ada',
        email: 'ada@corp.test',
        emailVerified: true,
        firstName: 'Ada',
        lastName: 'L',
        enabled: false,
        attributes: { department: ['HR'], floors: ['1', '2'], locale: ['th'], phoneNumber: ['+66811111111'], deep: [{}] },
        credentials: [{ type: 'otp' }, { type: 'password', ...credential }],
      }),
      {
        username: 'ada',
        email: 'ada@corp.test',
        emailVerified: true,
        givenName: 'Ada',
        familyName: 'L',
        phone: '+66811111111',
        locale: 'th',
        status: 'disabled',
        attributes: { department: 'HR', floors: ['1', '2'] },
        passwordHash: { ...credential, type: 'password' },
      },
    );
    assert.deepEqual(
      fromExport('auth0', {
        email: 'a@b.test',
        username: 'a@b.test',
        email_verified: false,
        given_name: 'A',
        blocked: false,
        app_metadata: { plan: 'gold', x: null },
        user_metadata: { plan: 'tin', n: 1 },
        custom_password_hash: { algorithm: 'bcrypt', hash: { value: '$2b$10$x' } },
      }),
      {
        email: 'a@b.test',
        givenName: 'A',
        status: 'active',
        attributes: { plan: 'gold', n: 1 },
        passwordHash: { algorithm: 'bcrypt', hash: { value: '$2b$10$x' } },
      },
    );
    for (const line of [[], 'x', null, 5]) assert.throws(() => fromExport('auth0', line), /invalid/);
  });
});
