/** A person half way at two apps that sign people in themselves, and at the pages beside them. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { basicAuth, type Reply } from '#test/support/app.ts';
import { type HalfWay, type HalfWayPerson, startHalfWay } from '#test/support/half-way.ts';
import type { App } from '#test/support/tenancy.ts';
import { codeOf, done, plain } from './scene.ts';

export const NEXT = 'seven otters four lanterns';

/** Starts before the tests of the suite that calls it, and ends after them. */
export function appDoors() {
  let w: HalfWay;
  let mine: App;
  let theirs: App;
  let numbers = 0;

  before(async () => {
    w = await startHalfWay();
    mine = await w.tenancy.addClient(w.site.app.rootTenantId, { direct_login: true });
    theirs = await w.tenancy.addClient(w.site.app.rootTenantId, { direct_login: true });
    await w.site.connect('google');
    await w.site.connect('github');
  });
  after(() => w?.close());

  const post = (path: string, body: object, client = mine, headers: Record<string, string> = {}): Promise<Reply> =>
    w.site.app.api('POST', `/api/auth/${path}`, body, { ...basicAuth(client), ...headers });
  const password = (person: HalfWayPerson, client = mine, word = person.password): Promise<Reply> =>
    post('login', { username: person.login, password: word }, client);
  const tokenOf = async (person: HalfWayPerson): Promise<string> => String((await done(password(person)))['access_token']);
  const isDue = (answer: Reply, what: string): string => {
    assert.equal(codeOf(answer), '401 auth.mfa_required', `${what}: ${answer.text}`);
    assert.deepEqual(
      [answer.body['access_token'], answer.body['id_token'], answer.body['refresh_token']],
      [undefined, undefined, undefined],
    );
    return String(answer.body['mfaToken']);
  };
  const withPhone = async (person: HalfWayPerson): Promise<string> => {
    numbers += 1;
    const phone = `+6681234${String(1000 + numbers)}`;
    await done(w.site.app.api('PATCH', `/api/users/${person.id}`, { phone, phoneVerified: true }));
    return phone;
  };
  const someone = (): void => void Object.assign(w.site.fake.someone, { sub: randomUUID(), email: `up-${randomUUID()}@example.test` });
  const google = async (): Promise<Reply> => post('login/social', { provider: 'google', id_token: await w.site.fake.idToken('google') });
  const mailsTo = async ({ login }: HalfWayPerson): Promise<number> =>
    ((await (await fetch(`${w.site.app.issuer}/dev/mailbox.json`)).json()) as { to: string }[]).filter(({ to }) => to === login).length;
  const wrong = (code: string): string => String((Number(code) + 1) % 1_000_000).padStart(6, '0');

  const credentialsOf = async ({ id }: HalfWayPerson): Promise<unknown> =>
    (
      await w.site.app.owner.query(
        `select u.email, u.phone, u.status, u.delete_after, (select json_agg(c order by c.id) from (select id, type, name, data from credentials where user_id = u.id) c) as credentials,
           (select json_agg(subject order by subject) from identities where user_id = u.id) as identities from users u where id = $1`,
        [id],
      )
    ).rows;
  return {
    get w() {
      return w;
    },
    get mine() {
      return mine;
    },
    get theirs() {
      return theirs;
    },
    post,
    password,
    tokenOf,
    isDue,
    withPhone,
    someone,
    google,
    mailsTo,
    wrong,
    credentialsOf,
  };
}

/** All of an answer but what is different each time. */
export const shown = (answer: Reply): string => {
  const secret = /"(registrationToken|resetToken|passkeyToken|challenge)":"[^"]*"/g;
  const headers = [...answer.headers].filter(([name]) => !['date', 'x-request-id', 'etag'].includes(name)).sort();
  return `${plain(answer).replace(secret, '"$1":""')}\n${headers.join('\n')}`;
};
