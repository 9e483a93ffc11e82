import { createHmac } from 'node:crypto';
import { fetchObject, type OAuthSettings, oauthToken, oauthUrl } from '../oauth.ts';
import { type SocialProvider, type Upstream, type UpstreamPerson, UpstreamRefused } from '../provider.ts';

// https://developers.facebook.com/docs/facebook-login/guides/advanced/manual-flow
const VERSION = 'v23.0';
const GRAPH = `https://graph.facebook.com/${VERSION}`;
const SETTINGS: OAuthSettings = {
  issuer: 'https://www.facebook.com',
  authorizationEndpoint: `https://www.facebook.com/${VERSION}/dialog/oauth`,
  tokenEndpoint: `${GRAPH}/oauth/access_token`,
  scopes: ['public_profile', 'email'],
  pkce: false,
};

export const facebook: SocialProvider = {
  begin: (upstream, ask) => oauthUrl(upstream, SETTINGS, ask),
  finish: async (upstream, answer) => personOf(upstream, await oauthToken(upstream, SETTINGS, answer)),
  async judgeToken(upstream, { accessToken }) {
    if (accessToken === undefined) throw new UpstreamRefused('token.unsupported');
    return personOf(upstream, accessToken);
  },
};

async function personOf(upstream: Upstream, token: string): Promise<UpstreamPerson> {
  const { clientId, clientSecret = '' } = upstream.connection;
  // https://developers.facebook.com/docs/graph-api/reference/debug_token: whose token it is, and of which app.
  const asked = new URLSearchParams({ input_token: token, access_token: `${clientId}|${clientSecret}` });
  const { data } = await fetchObject(upstream, `${GRAPH}/debug_token?${asked}`, {}, 'token.invalid');
  const about = (typeof data === 'object' && data !== null ? data : {}) as { app_id?: unknown; is_valid?: unknown; user_id?: unknown };
  if (about.app_id !== clientId) throw new UpstreamRefused('token.audience');
  if (about.is_valid !== true) throw new UpstreamRefused('token.invalid');
  // https://developers.facebook.com/docs/graph-api/guides/secure-requests#appsecret_proof
  const proof = createHmac('sha256', clientSecret).update(token).digest('hex');
  const fields = new URLSearchParams({ fields: 'id,email,first_name,last_name', access_token: token, appsecret_proof: proof });
  const me = await fetchObject(upstream, `${GRAPH}/me?${fields}`, {}, 'token.invalid');
  const { id, email, first_name, last_name } = me;
  if (typeof id !== 'string') throw new UpstreamRefused('subject.missing');
  if (about.user_id !== id) throw new UpstreamRefused('userinfo.sub');
  return {
    subject: id,
    email: typeof email === 'string' ? email : undefined,
    // Facebook does not say that it proved an address.
    emailVerified: false,
    claims: { given_name: first_name, family_name: last_name },
  };
}
