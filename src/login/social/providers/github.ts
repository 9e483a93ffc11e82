import { bearer, fetchJson, fetchObject, type OAuthSettings, oauthToken, oauthUrl } from '../oauth.ts';
import { type SocialProvider, type Upstream, type UpstreamPerson, UpstreamRefused } from '../provider.ts';

// https://docs.github.com/en/apps/oauth-apps/building-oauth-apps/authorizing-oauth-apps
const SETTINGS: OAuthSettings = {
  issuer: 'https://github.com',
  authorizationEndpoint: 'https://github.com/login/oauth/authorize',
  tokenEndpoint: 'https://github.com/login/oauth/access_token',
  scopes: ['read:user', 'user:email'],
  pkce: true,
};
const API = 'https://api.github.com';

export const github: SocialProvider = {
  begin: (upstream, ask) => oauthUrl(upstream, SETTINGS, ask, ask.loginHint === undefined ? {} : { login: ask.loginHint }),
  finish: async (upstream, answer) => personOf(upstream, await oauthToken(upstream, SETTINGS, answer)),
  async judgeToken(upstream, { accessToken }) {
    if (accessToken === undefined) throw new UpstreamRefused('token.unsupported');
    const { clientId, clientSecret } = upstream.connection;
    // https://docs.github.com/en/rest/apps/oauth-applications#check-a-token: 404 for a token of another application.
    const about = await fetchObject(
      upstream,
      `${API}/applications/${encodeURIComponent(clientId)}/token`,
      {
        method: 'POST',
        headers: {
          authorization: `Basic ${Buffer.from(`${clientId}:${clientSecret}`).toString('base64')}`,
          'content-type': 'application/json',
        },
        body: JSON.stringify({ access_token: accessToken }),
      },
      'token.audience',
    );
    if ((about['app'] as { client_id?: unknown } | undefined)?.client_id !== clientId) throw new UpstreamRefused('token.audience');
    return personOf(upstream, accessToken);
  },
};

async function personOf(upstream: Upstream, token: string): Promise<UpstreamPerson> {
  const [user, addresses] = await Promise.all([
    fetchObject(upstream, `${API}/user`, bearer(token), 'token.invalid'),
    fetchJson(upstream, `${API}/user/emails`, bearer(token), 'token.invalid').catch((error: unknown) => {
      // Whoever did not allow it has no address for us.
      if (error instanceof UpstreamRefused && error.reason === 'token.invalid') return [];
      throw error;
    }),
  ]);
  // The login may be renamed, and taken by somebody else.
  if (!Number.isSafeInteger(user['id'])) throw new UpstreamRefused('subject.missing');
  const listed = Array.isArray(addresses) ? (addresses as { email?: unknown; primary?: unknown; verified?: unknown }[]) : [];
  const primary = listed.find((one) => one?.primary === true && typeof one.email === 'string');
  const name = typeof user['name'] === 'string' ? user['name'].trim() : '';
  const [given, ...others] = name.split(/\s+/);
  return {
    subject: String(user['id']),
    email: typeof primary?.email === 'string' ? primary.email : undefined,
    emailVerified: primary?.verified === true,
    claims: { ...user, given_name: given || undefined, family_name: others.join(' ') || undefined },
  };
}
