/** What every kind of upstream provider has to hold; run it for each. */
import assert from 'node:assert/strict';
import { systemClock } from '#src/core/clock.ts';
import { newId } from '#src/core/ids.ts';
import type { Connection, ConnectionKind } from '#src/features/connections/index.ts';
import { type Answer, type Ask, UpstreamRefused } from '#src/login/social/provider.ts';
import { createUpstreams, type Upstreams } from '#src/login/social/upstreams.ts';
import {
  APPLE,
  applePrivateKey,
  CLIENT_ID,
  CLIENT_SECRET,
  type FakeUpstream,
  type Hostility,
  type Someone,
  startUpstream,
} from '#test/support/upstream.ts';

export interface ProviderUnderTest {
  kind: ConnectionKind;
  someone: Someone;
  /** What is seen of them. */
  expected: { subject: string; email: string | undefined; emailVerified: boolean; givenName: string | undefined };
  /** The host of the page that the browser is sent to. */
  page: string;
  pkce: boolean;
  formPost?: boolean;
  /** What the browser's answer may not have, and why it is refused. */
  hostile: Readonly<Record<string, { how: Hostility; reason: string | RegExp }>>;
  /** The kinds of token that an app may bring. */
  brings: readonly ('accessToken' | 'idToken')[];
  /** What says that an address is proven, and what does not. */
  verified: readonly unknown[];
  unverified: readonly unknown[];
}

export const connectionOf = async (kind: ConnectionKind, fake: FakeUpstream, more: Partial<Connection> = {}): Promise<Connection> => ({
  id: newId(),
  tenantId: newId(),
  key: kind,
  kind,
  name: kind,
  issuer: kind === 'oidc' ? fake.issuer : undefined,
  clientId: CLIENT_ID,
  clientSecret: kind === 'apple' ? undefined : CLIENT_SECRET,
  privateKey: kind === 'apple' ? await applePrivateKey() : undefined,
  options: kind === 'apple' ? { apple: APPLE } : {},
  domains: [],
  enabled: true,
  version: 1,
  ...more,
});

const ASK: Ask = {
  redirectUri: 'https://op.test/login/callback/1',
  state: 'the-state',
  nonce: 'the-nonce',
  verifier: 'a-verifier-of-forty-three-characters-or-more-01',
};

export async function walk(
  upstreams: Upstreams,
  connection: Connection,
  fake: FakeUpstream,
  change: (answer: Answer) => Answer = (one) => one,
) {
  const page = await upstreams.begin(connection, ASK);
  const { url, form } = await fake.authorize(page);
  const params = form ? new URLSearchParams(form) : url.searchParams;
  const { redirectUri, state, nonce, verifier } = ASK;
  return { page, person: () => upstreams.finish(connection, change({ params, redirectUri, state, nonce, verifier })) };
}

/** Refused, and why. */
export const refusedFor = (reason: string | RegExp) => (error: unknown) => {
  assert.ok(error instanceof UpstreamRefused, String(error));
  if (typeof reason === 'string') assert.equal(error.reason, reason, String(error.cause));
  else assert.match(error.reason, reason);
  return true;
};

export function describeProvider(tested: ProviderUnderTest): void {
  const { kind, expected } = tested;
  describe(`the provider ${kind}`, () => {
    let fake: FakeUpstream;
    let upstreams: Upstreams;
    let connection: Connection;
    before(async () => {
      fake = await startUpstream();
    });
    beforeEach(async () => {
      Object.assign(fake, { someone: { ...tested.someone }, hostile: {} });
      upstreams = createUpstreams({ fetch: fake.fetch, clock: systemClock });
      connection = await connectionOf(kind, fake);
    });
    after(() => fake.close());

    it('sends the browser to the provider’s own page, bound to what only this browser brings back', async () => {
      const page = await upstreams.begin(connection, { ...ASK, locale: 'de' });
      assert.equal(page.host, tested.page === 'fake' ? fake.host : tested.page);
      const { searchParams: query } = page;
      assert.deepEqual(
        [query.get('client_id'), query.get('redirect_uri'), query.get('state'), query.get('response_type')],
        [CLIENT_ID, ASK.redirectUri, ASK.state, 'code'],
      );
      assert.equal(query.get('code_challenge_method'), tested.pkce ? 'S256' : null);
      assert.equal(query.get('response_mode'), tested.formPost ? 'form_post' : null);
      assert.ok(!page.href.includes(ASK.verifier) && !page.href.includes(CLIENT_SECRET));
    });

    it('finds out who came, by what never changes there', async () => {
      const { person } = await walk(upstreams, connection, fake);
      const found = await person();
      assert.deepEqual(
        {
          subject: found.subject,
          email: found.email,
          emailVerified: found.emailVerified,
          givenName: found.claims['given_name'],
        },
        expected,
      );
    });

    it('takes an answer once, and none with another state or without one', async () => {
      const { person } = await walk(upstreams, connection, fake);
      await person();
      await assert.rejects(person(), UpstreamRefused);
      for (const state of ['another', undefined]) {
        const foreign = await walk(upstreams, connection, fake, (answer) => {
          const params = new URLSearchParams(answer.params);
          if (state === undefined) params.delete('state');
          else params.set('state', state);
          return { ...answer, params };
        });
        await assert.rejects(foreign.person(), refusedFor('response.state'));
      }
    });

    it('says why where the person refuses there', async () => {
      const params = new URLSearchParams({ error: 'access_denied', state: ASK.state, ...(kind === 'oidc' ? { iss: fake.issuer } : {}) });
      await assert.rejects(upstreams.finish(connection, { ...ASK, params }), refusedFor('upstream.denied'));
    });

    for (const [what, { how, reason }] of Object.entries(tested.hostile))
      it(`refuses ${what}`, async () => {
        fake.hostile = how;
        const { person } = await walk(upstreams, connection, fake);
        await assert.rejects(person(), refusedFor(reason));
      });

    // GitHub's are numbers.
    if (kind !== 'github')
      it('B14 refuses a subject that would be another when it is written, and keeps every other as it is', async () => {
        for (const sub of ['a\0b', ' sub', 'sub\r', 'sub\n', '', 'x'.repeat(256)]) {
          fake.someone = { ...fake.someone, sub };
          const { person } = await walk(upstreams, connection, fake);
          await assert.rejects(person(), UpstreamRefused);
        }
        for (const sub of ['<!--x-->admin', 'Sub', 'sub', 'x'.repeat(255)]) {
          fake.someone = { ...fake.someone, sub };
          const { person } = await walk(upstreams, connection, fake);
          assert.equal((await person()).subject, sub);
        }
      });

    it('B2 believes an address where the provider says so as it documents, and nowhere else', async () => {
      const told = async (emailVerified: unknown): Promise<boolean> => {
        fake.someone = {
          ...tested.someone,
          emailVerified,
          more: { ...tested.someone.more, ...(kind === 'microsoft' ? { xms_edov: emailVerified } : {}) },
        };
        const { person } = await walk(upstreams, connection, fake);
        return (await person()).emailVerified;
      };
      for (const said of tested.verified) assert.equal(await told(said), true, String(said));
      for (const said of [false, undefined, 1, 'yes', {}, ['true'], ...tested.unverified])
        assert.equal(await told(said), false, String(said));
    });

    for (const what of ['accessToken', 'idToken'] as const) {
      if (tested.brings.includes(what))
        it(`E15 takes an app’s ${what} that was made for this connection, and refuses another app’s`, async () => {
          const made = (clientId?: string): string | Promise<string> =>
            what === 'accessToken' ? fake.accessToken(clientId) : fake.idToken(kind as 'oidc', undefined, clientId);
          const found = await upstreams.judgeToken(connection, { [what]: await made() });
          assert.equal(found.subject, expected.subject);
          await assert.rejects(
            Promise.resolve(made('another-app')).then((token) => upstreams.judgeToken(connection, { [what]: token })),
            refusedFor(/token\.audience|id_token\.(aud|refused)/),
          );
          await assert.rejects(upstreams.judgeToken(connection, { [what]: 'nonsense' }), UpstreamRefused);
        });
      else
        it(`takes no ${what} of an app`, async () => {
          await assert.rejects(upstreams.judgeToken(connection, { [what]: 'x' }), refusedFor('token.unsupported'));
        });
    }

    it('is refused and not waited for where it is slow, dead, endless or speaks HTML', async function () {
      this.timeout(20_000);
      const { person: early } = await walk(upstreams, connection, fake);
      for (const hostile of [{ slow: 20_000 }, { dead: true }, { hugeBody: true }, { notJson: true }] satisfies Hostility[]) {
        const began = performance.now();
        const { person } = hostile.slow ? { person: early } : await walk(upstreams, connection, fake);
        fake.hostile = hostile;
        await assert.rejects(person(), refusedFor(/^(upstream|id_token|code)\./));
        assert.ok(performance.now() - began < 5000);
        fake.hostile = {};
      }
      const { person } = await walk(upstreams, connection, fake);
      assert.equal((await person()).subject, expected.subject, 'and works when it is well again');
    });
  });
}
