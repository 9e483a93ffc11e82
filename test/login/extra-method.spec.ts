/** What a new method costs: one object of one file, and one entry in the list. */

import assert from 'node:assert/strict';
import { randomBytes, randomUUID } from 'node:crypto';
import { Type } from '@sinclair/typebox';
import { newId } from '#src/core/ids.ts';
import type { LoginMethod } from '#src/login/method.ts';
import { loginMethodContract } from '../contract/login-method.ts';
import { createHarness, type Harness, PASSWORD, type TestPerson } from './harness.ts';
import { CALLBACK, type Site, startSite } from './site.ts';

const Input = Type.Object({ login: Type.String({ maxLength: 320 }), badge: Type.String({ maxLength: 64 }) });

/** The number on a badge, as a first step. */
const badge: LoginMethod<typeof Input> = {
  id: 'badge',
  factor: 'possession',
  amr: ['hwk'],
  first: true,
  input: Input,
  identifier: ({ login }) => login,
  enrolled: (account) => account.credentials.some(({ type }) => type === 'badge'),
  async verify({ account }, { badge: number }) {
    const credential = account?.credentials.find(({ type }) => type === 'badge');
    if (!account || !credential) return { ok: false, reason: 'badge.unknown' };
    return (credential.data as { number?: unknown }).number === number
      ? { ok: true, userId: account.id }
      : { ok: false, reason: 'badge.wrong' };
  },
};

/** A word that works once, as a second step. */
const ticketInput = Type.Object({ ticket: Type.String({ maxLength: 64 }) });
const ticket: LoginMethod<typeof ticketInput> = {
  id: 'ticket',
  factor: 'possession',
  amr: ['otp'],
  first: false,
  input: ticketInput,
  enrolled: (account) => account.credentials.some(({ type }) => type === 'ticket'),
  async verify({ account }, { ticket: word }) {
    const credential = account?.credentials.find(({ type }) => type === 'ticket');
    if (!account || !credential || (credential.data as { word?: unknown }).word !== word) return { ok: false, reason: 'ticket.wrong' };
    return { ok: true, userId: account.id, update: { id: credential.id, version: credential.version, data: {}, required: true } };
  },
};

async function give(h: Pick<Harness, 'db'>, person: TestPerson, type: string, data: object): Promise<void> {
  const statement = { name: 'test-credential', text: 'insert into credentials (id, user_id, type, data) values ($1, $2, $3, $4)' };
  await h.db.query(statement, [newId(), person.id, type, JSON.stringify(data)]);
}

describe('a method that is added by one entry keeps the contract', () => {
  const numbers = new Map<string, string>();
  loginMethodContract({
    id: 'badge',
    create: () => createHarness(() => [badge as unknown as LoginMethod]),
    async enrolled(h, options) {
      const person = await h.addPerson(options);
      numbers.set(person.id, randomBytes(16).toString('hex'));
      await give(h, person, 'badge', { number: numbers.get(person.id) });
      return person;
    },
    right: ({ id, email }) => ({ login: email, badge: numbers.get(id) ?? '' }),
    wrong: ({ email }) => ({ login: email, badge: 'another badge' }),
    unknown: () => ({ login: `${randomUUID()}@example.com`, badge: 'another badge' }),
  });
});

describe('a method that is added by one entry works in the pages', () => {
  let site: Site;
  before(async () => {
    site = await startSite({ more: () => [badge as unknown as LoginMethod, ticket as unknown as LoginMethod] });
    await site.addClient('app');
  });
  after(() => site?.close());

  it('as a first step', async () => {
    const person = await site.addPerson();
    await give(site, person, 'badge', { number: '77' });
    const visitor = site.visitor();
    await visitor.signIn('app');
    assert.equal((await visitor.submit({ login: person.email, badge: '78' })).status, 422);
    assert.ok((await visitor.submit({ login: person.email, badge: '77' })).location?.href.startsWith(CALLBACK));
  });

  it('as a second step, asked for because the person has it, that neither a password, a repetition nor a reset stands in for', async () => {
    const person = await site.addPerson({ password: PASSWORD });
    await give(site, person, 'ticket', { word: 'sesame' });
    const [one, two] = [site.visitor(), site.visitor()];
    for (const visitor of [one, two]) {
      await visitor.signIn('app');
      assert.equal((await visitor.submit({ login: person.email, password: PASSWORD })).location, undefined);
      assert.equal((await visitor.submit({ login: person.email, password: PASSWORD })).location, undefined);
      assert.equal((await visitor.submit({ ticket: 'wrong' })).location, undefined);
    }
    const answers = await Promise.all([one.send({ ticket: 'sesame' }), two.send({ ticket: 'sesame' })]);
    const onward = answers.filter((answer) => answer.headers.get('location')?.includes('/auth/'));
    assert.equal(onward.length, 1, 'what works once, works once');
  });

  it('and by the API, whose token leads on to it once', async () => {
    const person = await site.addPerson({ password: PASSWORD });
    await give(site, person, 'ticket', { word: 'sesame' });
    const { attemptDirect, authenticateDirect } = await import('#src/login/direct.ts');
    const scope = { ...site.stranger(), clientId: 'app' };
    const answer = await authenticateDirect(site.engine, { username: person.email, password: PASSWORD }, { clientId: 'app' }, scope);
    assert.ok('refused' in answer);
    const { mfaToken, methods } = answer.extra as { mfaToken: string; methods: string[] };
    assert.deepEqual([answer.refused, answer.status, methods], ['auth.mfa_required', 401, ['ticket']]);
    const second = (clientId: string, word: string) =>
      attemptDirect(site.engine, { clientId }, scope, { methodId: 'ticket', input: { ticket: word } }, mfaToken);
    assert.ok('refused' in (await second('another', 'sesame')), 'another client’s');
    assert.ok('refused' in (await second('app', 'wrong')));
    const both = await Promise.all([second('app', 'sesame'), second('app', 'sesame')]);
    assert.deepEqual(both.map((one) => ('refused' in one ? one.status : one.acr)).sort(), [409, 'urn:gatehouse:acr:2fa']);
    assert.ok('refused' in (await second('app', 'sesame')));
  });
});
