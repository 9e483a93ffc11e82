import { bearer, fetchObject } from '../oauth.ts';
import { authorizationUrl, exchanged, type OpenIdSettings } from '../openid.ts';
import { type SocialProvider, type Upstream, UpstreamRefused } from '../provider.ts';

// https://developers.line.biz/en/docs/line-login/integrate-line-login/
const ISSUER = 'https://access.line.me';
const VERIFY = 'https://api.line.me/oauth2/v2.1/verify';
const PROFILE = 'https://api.line.me/v2/profile';

const settingsOf = ({ connection }: Upstream): OpenIdSettings => ({
  issuer: ISSUER,
  scopes: ['openid', 'profile', 'email'],
  // For web login LINE signs with the channel secret.
  algs: ['HS256'],
  key: new TextEncoder().encode(connection.clientSecret),
  pkce: true,
  // LINE does not say that it proved an address.
  emailVerified: () => false,
  metadata: {
    issuer: ISSUER,
    authorization_endpoint: 'https://access.line.me/oauth2/v2.1/authorize',
    token_endpoint: 'https://api.line.me/oauth2/v2.1/token',
  },
});

export const line: SocialProvider = {
  begin: (upstream, ask) => authorizationUrl(upstream, settingsOf(upstream), ask),
  finish: (upstream, answer) => exchanged(upstream, settingsOf(upstream), answer),
  async judgeToken(upstream, { idToken, accessToken, nonce }) {
    const { clientId } = upstream.connection;
    if (idToken !== undefined) {
      // Apps' tokens are signed otherwise: LINE itself judges them. https://developers.line.biz/en/reference/line-login/#verify-id-token
      const body = new URLSearchParams({ id_token: idToken, client_id: clientId, ...(nonce === undefined ? {} : { nonce }) });
      const claims = await fetchObject(upstream, VERIFY, { method: 'POST', body }, 'id_token.refused');
      if (claims['iss'] !== ISSUER) throw new UpstreamRefused('id_token.iss');
      if (claims['aud'] !== clientId) throw new UpstreamRefused('id_token.aud');
      if (nonce !== undefined && claims['nonce'] !== nonce) throw new UpstreamRefused('id_token.nonce');
      return personOf(claims['sub'], claims);
    }
    if (accessToken === undefined) throw new UpstreamRefused('token.missing');
    // https://developers.line.biz/en/reference/line-login/#verify-access-token
    const about = await fetchObject(upstream, `${VERIFY}?${new URLSearchParams({ access_token: accessToken })}`, {}, 'token.invalid');
    if (about['client_id'] !== clientId) throw new UpstreamRefused('token.audience');
    const profile = await fetchObject(upstream, PROFILE, bearer(accessToken), 'token.invalid');
    return personOf(profile['userId'], { name: profile['displayName'] });
  },
};

function personOf(subject: unknown, claims: Readonly<Record<string, unknown>>) {
  if (typeof subject !== 'string') throw new UpstreamRefused('subject.missing');
  const { email } = claims;
  return { subject, email: typeof email === 'string' ? email : undefined, emailVerified: false, claims };
}
