import { bearer, fetchObject } from '../oauth.ts';
import { authorizationUrl, endSessionUrl, exchanged, type OpenIdSettings, personOfIdToken, saysVerified } from '../openid.ts';
import { type SocialProvider, UpstreamRefused } from '../provider.ts';

// https://developers.google.com/identity/openid-connect/openid-connect
const SETTINGS: OpenIdSettings = {
  issuer: 'https://accounts.google.com',
  scopes: ['openid', 'profile', 'email'],
  algs: ['RS256'],
  pkce: true,
  parameters: { prompt: 'select_account' },
};
const TOKEN_INFO = 'https://oauth2.googleapis.com/tokeninfo';
const USERINFO = 'https://openidconnect.googleapis.com/v1/userinfo';

export const google: SocialProvider = {
  begin: (upstream, ask) => authorizationUrl(upstream, SETTINGS, ask),
  finish: (upstream, answer) => exchanged(upstream, SETTINGS, answer),
  async judgeToken(upstream, { idToken, accessToken, nonce }) {
    if (idToken !== undefined) return personOfIdToken(upstream, SETTINGS, idToken, nonce);
    if (accessToken === undefined) throw new UpstreamRefused('token.missing');
    const info = await fetchObject(upstream, `${TOKEN_INFO}?${new URLSearchParams({ access_token: accessToken })}`, {}, 'token.invalid');
    if (info['aud'] !== upstream.connection.clientId) throw new UpstreamRefused('token.audience');
    const claims = await fetchObject(upstream, USERINFO, bearer(accessToken), 'token.invalid');
    const { sub, email } = claims;
    if (typeof sub !== 'string' || (info['sub'] !== undefined && info['sub'] !== sub)) throw new UpstreamRefused('userinfo.sub');
    return {
      subject: sub,
      email: typeof email === 'string' ? email : undefined,
      emailVerified: saysVerified(claims),
      claims,
    };
  },
  endSession: (upstream, ask) => endSessionUrl(upstream, SETTINGS, ask),
};
