import { authorizationUrl, endSessionUrl, exchanged, type OpenIdSettings, personOfIdToken } from '../openid.ts';
import { type SocialProvider, type Upstream, UpstreamRefused } from '../provider.ts';

// https://learn.microsoft.com/entra/identity-platform/v2-protocols-oidc
const COMMON = 'https://login.microsoftonline.com/common/v2.0';
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

const settingsOf = ({ connection }: Upstream): OpenIdSettings => ({
  issuer: connection.issuer ?? COMMON,
  scopes: ['openid', 'profile', 'email'],
  algs: ['RS256'],
  pkce: true,
  // Discovery of `common` and `organizations` names a template; the token, the tenant that it is filled in with.
  isIssuer({ iss, tid }, issuer) {
    if (!issuer.includes('{tenantid}')) return iss === issuer;
    return typeof tid === 'string' && UUID.test(tid) && iss === issuer.replace('{tenantid}', tid);
  },
  // `email` is whatever an administrator somewhere typed in; this optional claim says that the domain's owner stands for it.
  // https://learn.microsoft.com/entra/identity-platform/optional-claims-reference (xms_edov)
  emailVerified: ({ xms_edov: owned }) => owned === true,
});

export const microsoft: SocialProvider = {
  begin: (upstream, ask) => authorizationUrl(upstream, settingsOf(upstream), ask),
  finish: (upstream, answer) => exchanged(upstream, settingsOf(upstream), answer),
  async judgeToken(upstream, { idToken, nonce }) {
    // Tokens for Microsoft Graph are opaque to everybody else.
    if (idToken === undefined) throw new UpstreamRefused('token.unsupported');
    return personOfIdToken(upstream, settingsOf(upstream), idToken, nonce);
  },
  endSession: (upstream, ask) => endSessionUrl(upstream, settingsOf(upstream), ask),
};
