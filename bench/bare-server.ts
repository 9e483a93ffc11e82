/** The baseline: oidc-provider as it comes, with its memory adapter, the same keys and the same shape of clients, and a login that asks nothing. */
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { type Configuration, type JWK, Provider } from 'oidc-provider';

interface BareInput {
  port: number;
  jwks: JWK[];
  secret: string;
  redirectUri: string;
}

const input = JSON.parse(readFileSync(0, 'utf8')) as BareInput;
const issuer = `http://localhost:${input.port}`;
const algorithms = ['RS256', 'ES256'] as const;

const configuration: Configuration = {
  jwks: { keys: input.jwks },
  cookies: { keys: ['bench-bench-bench-bench-bench-bench'] },
  clients: [
    {
      client_id: 'web',
      client_secret: input.secret,
      redirect_uris: [input.redirectUri],
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      scope: 'openid profile offline_access',
    },
    {
      client_id: 'machine',
      client_secret: input.secret,
      redirect_uris: [],
      grant_types: ['client_credentials'],
      response_types: [],
    },
  ],
  scopes: ['openid', 'offline_access', 'profile'],
  claims: { openid: ['sub'], profile: ['given_name', 'family_name'] },
  responseTypes: ['code'],
  pkce: { required: () => true },
  rotateRefreshToken: true,
  interactions: { url: (_ctx, interaction) => `/login/${interaction.uid}` },
  findAccount: async (_ctx, sub) => ({ accountId: sub, claims: async () => ({ sub, given_name: 'Ada', family_name: 'Bench' }) }),
  issueRefreshToken: async (_ctx, client) => client.grantTypeAllowed('refresh_token'),
  loadExistingGrant: async (ctx) => {
    const known = ctx.oidc.session!.grantIdFor(ctx.oidc.client!.clientId);
    if (known) return ctx.oidc.provider.Grant.find(known);
    const grant = new ctx.oidc.provider.Grant({ accountId: ctx.oidc.session!.accountId!, clientId: ctx.oidc.client!.clientId });
    grant.addOIDCScope('openid profile offline_access');
    await grant.save();
    return grant;
  },
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    introspection: { enabled: true },
    revocation: { enabled: true },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo: async (_ctx, indicator) => ({
        scope: 'read write',
        audience: indicator,
        accessTokenFormat: 'jwt',
        accessTokenTTL: 600,
        jwt: { sign: { alg: algorithms.find((alg) => indicator.endsWith(alg.toLowerCase())) ?? 'RS256' } },
      }),
    },
  },
};

const provider = new Provider(issuer, configuration);
provider.use(async (ctx, next) => {
  if (!ctx.path.startsWith('/login/')) return next();
  ctx.respond = false;
  await provider.interactionFinished(ctx.req, ctx.res, { login: { accountId: 'bench' } }, { mergeWithLastSubmission: false });
});
createServer(provider.callback()).listen(input.port, '127.0.0.1', () => process.stdout.write('ready\n'));
