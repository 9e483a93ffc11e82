import { type Static, Type } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import { newSecret } from '../../core/ids.ts';
import type { ConnectionCache } from '../../features/connections/index.ts';
import type { LoginMethod, Verdict } from '../method.ts';
import { UpstreamRefused } from '../social/provider.ts';
import type { Upstreams } from '../social/upstreams.ts';

export const SOCIAL = 'social';

const TEXT = Type.String({ maxLength: 8192 });
const optional = Type.Optional;

/** An object, so that no form of a page can pass for it: what a browser brings comes by its callback alone. */
const Input = Type.Object({
  social: Type.Object({
    connection: Type.String(),
    /** Where the browser's answer belongs: the interaction's uid, in front of the state. */
    interaction: optional(Type.String()),
    login: optional(TEXT),
    /** What the browser brings back. */
    answer: optional(Type.Array(Type.Tuple([TEXT, TEXT]), { maxItems: 20 })),
    /** What an app brings that asked the provider by itself. */
    brought: optional(
      Type.Object({
        accessToken: optional(TEXT),
        idToken: optional(TEXT),
        code: optional(TEXT),
        redirectUri: optional(TEXT),
        codeVerifier: optional(TEXT),
        nonce: optional(TEXT),
      }),
    ),
  }),
});
export type SocialInput = Static<typeof Input>['social'];

const Asked = Type.Object({
  connection: Type.String(),
  redirectUri: Type.String(),
  state: Type.String(),
  nonce: Type.String(),
  verifier: Type.String(),
});

/** Where every provider sends the browser back to: one address for each connection. */
export const callbackUri = (issuer: string, connectionId: string): string => `${issuer}/login/callback/${connectionId}`;

/** Another provider says who somebody is. Whose account that is, the engine asks the one function that knows. */
export function socialMethod({
  connections,
  upstreams,
}: {
  connections: ConnectionCache;
  upstreams: Upstreams;
}): LoginMethod<typeof Input> {
  const usable = async (id: string) => {
    const connection = await connections.find(id);
    if (!connection) throw new UpstreamRefused('connection.unknown');
    if (!connection.enabled) throw new UpstreamRefused('connection.disabled');
    return connection;
  };
  return {
    id: SOCIAL,
    // Whatever was asked for there counts as one factor, and as none of ours (RFC 8176 has no value for it).
    factor: 'possession',
    means: 'upstream',
    amr: [],
    first: true,
    second: false,
    input: Input,
    enrolled: () => false,

    async begin({ issuer, locale }, input) {
      if (!Value.Check(Input, input)) throw new UpstreamRefused('input.invalid');
      const { connection: id, interaction, login } = input.social;
      const connection = await usable(id);
      const asked: Static<typeof Asked> = {
        connection: id,
        redirectUri: callbackUri(issuer, id),
        state: `${interaction ?? ''}.${newSecret()}`,
        nonce: newSecret(),
        verifier: newSecret(48),
      };
      const redirect = await upstreams.begin(connection, { ...asked, loginHint: login, locale });
      return { state: asked, redirect: redirect.href };
    },

    async verify({ begun }, { social }): Promise<Verdict> {
      try {
        const { connection: id, answer, brought } = social;
        if (brought) return seen(id, await bring(id, brought));
        if (!Value.Check(Asked, begun) || !answer) return { ok: false, reason: 'social.not_begun' };
        // Begun with one provider, answered by another: what the second says may be about anybody.
        if (begun.connection !== id) return { ok: false, reason: 'connection.other' };
        const connection = await usable(id);
        return seen(id, await upstreams.finish(connection, { ...begun, params: new URLSearchParams(answer) }));
      } catch (error) {
        if (error instanceof UpstreamRefused) return { ok: false, reason: error.reason };
        throw error;
      }
    },
  };

  async function bring(id: string, brought: NonNullable<SocialInput['brought']>) {
    const connection = await usable(id);
    const { code, redirectUri, codeVerifier, nonce, accessToken, idToken } = brought;
    if (code === undefined) return upstreams.judgeToken(connection, { accessToken, idToken, nonce });
    if (redirectUri === undefined || !URL.canParse(redirectUri)) throw new UpstreamRefused('input.invalid');
    const answer = { params: new URLSearchParams({ code }), redirectUri, state: undefined, nonce, verifier: codeVerifier };
    return upstreams.finish(connection, answer);
  }
}

const seen = (connectionId: string, { subject, ...person }: Awaited<ReturnType<Upstreams['finish']>>): Verdict => ({
  ok: true,
  identity: { connectionId, subject, claims: { ...person } },
});
