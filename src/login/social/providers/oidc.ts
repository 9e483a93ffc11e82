import { authorizationUrl, endSessionUrl, exchanged, judgedLogout, type OpenIdSettings, personOfIdToken } from '../openid.ts';
import { type SocialProvider, type Upstream, UpstreamRefused } from '../provider.ts';

const settingsOf = ({ connection: { issuer, options } }: Upstream): OpenIdSettings => {
  if (issuer === undefined) throw new UpstreamRefused('connection.issuer');
  return { issuer, scopes: ['openid', 'profile', 'email'], userinfo: options.scopes?.length !== 1 || options.scopes[0] !== 'openid' };
};

/** Any OpenID Connect provider with a discovery document: Entra ID, Okta, Auth0, Keycloak, another Gatehouse. */
export const oidcProvider: SocialProvider = {
  begin: (upstream, ask) => authorizationUrl(upstream, settingsOf(upstream), ask),
  finish: (upstream, answer) => exchanged(upstream, settingsOf(upstream), answer),
  async judgeToken(upstream, { idToken, nonce }) {
    // An access token says to nobody but its API whom it was made for.
    if (idToken === undefined) throw new UpstreamRefused('token.unsupported');
    return personOfIdToken(upstream, settingsOf(upstream), idToken, nonce);
  },
  judgeLogout: (upstream, token) => judgedLogout(upstream, settingsOf(upstream), token),
  endSession: (upstream, ask) => endSessionUrl(upstream, settingsOf(upstream), ask),
};
