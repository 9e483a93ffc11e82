import { importPKCS8, SignJWT } from 'jose';
import * as oidc from 'openid-client';
import { epochSeconds } from '../../../core/clock.ts';
import { authorizationUrl, endSessionUrl, exchanged, type OpenIdSettings, personOfIdToken } from '../openid.ts';
import { type Answer, type SocialProvider, type Upstream, UpstreamRefused } from '../provider.ts';

// https://developer.apple.com/documentation/signinwithapple/
const ISSUER = 'https://appleid.apple.com';
const SECRET_SECONDS = 300;

const settingsOf = (upstream: Upstream): OpenIdSettings => ({
  issuer: ISSUER,
  scopes: ['openid', 'name', 'email'],
  algs: ['RS256'],
  pkce: false,
  // Names and addresses come to a form only.
  parameters: { response_mode: 'form_post' },
  auth: async () => oidc.ClientSecretPost(await clientSecret(upstream)),
  // Documented as "a string or Boolean value".
  emailVerified: ({ email_verified: said }) => said === true || said === 'true',
});

/** https://developer.apple.com/documentation/accountorganizationaldatasharing/creating-a-client-secret */
async function clientSecret({ connection, clock }: Upstream): Promise<string> {
  const { apple } = connection.options;
  if (!apple || connection.privateKey === undefined) throw new UpstreamRefused('connection.key');
  const now = epochSeconds(clock.now());
  return new SignJWT({})
    .setProtectedHeader({ alg: 'ES256', kid: apple.keyId })
    .setIssuer(apple.teamId)
    .setIssuedAt(now)
    .setExpirationTime(now + SECRET_SECONDS)
    .setAudience(ISSUER)
    .setSubject(connection.clientId)
    .sign(await importPKCS8(connection.privateKey, 'ES256'));
}

/** Told once, with the first sign-in, by the browser: good for a name, for nothing else. */
function nameIn({ params }: Answer): Record<string, unknown> {
  try {
    const { name } = JSON.parse(params.get('user') ?? '{}') as { name?: { firstName?: unknown; lastName?: unknown } };
    return { given_name: name?.firstName, family_name: name?.lastName };
  } catch {
    return {};
  }
}

export const apple: SocialProvider = {
  formPost: true,
  begin: (upstream, ask) => authorizationUrl(upstream, settingsOf(upstream), ask),
  async finish(upstream, answer) {
    const person = await exchanged(upstream, settingsOf(upstream), answer);
    return { ...person, claims: { ...nameIn(answer), ...person.claims } };
  },
  async judgeToken(upstream, { idToken, nonce }) {
    if (idToken === undefined) throw new UpstreamRefused('token.unsupported');
    return personOfIdToken(upstream, settingsOf(upstream), idToken, nonce);
  },
  endSession: (upstream, ask) => endSessionUrl(upstream, settingsOf(upstream), ask),
};
