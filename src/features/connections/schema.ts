import { type Static, Type } from '@sinclair/typebox';
import { PAGE_QUERY, pageSchema } from '../../http/paging.ts';
import { CONNECTION_KINDS } from './index.ts';

const optional = Type.Optional;
const KIND = Type.Union(CONNECTION_KINDS.map((kind) => Type.Literal(kind)));
const OURS = Type.Union([Type.Literal('givenName'), Type.Literal('familyName'), Type.Literal('locale')]);

const APPLE = Type.Object({
  teamId: Type.String({ pattern: '^[A-Z0-9]{10}$' }),
  keyId: Type.String({ pattern: '^[A-Z0-9]{10}$' }),
});
const SHARED_OPTIONS = {
  scopes: optional(
    Type.Array(Type.String({ pattern: '^[\\x21\\x23-\\x5b\\x5d-\\x7e]{1,128}$' }), {
      maxItems: 20,
      uniqueItems: true,
      description: 'Asked for upstream, in place of what the kind asks for by itself',
    }),
  ),
  claims: optional(
    Type.Record(Type.String({ pattern: '^[\\x21-\\x7e]{1,128}$' }), OURS, {
      maxProperties: 20,
      description: 'From a claim’s name upstream to ours; `given_name`, `family_name` and `locale` are taken over without being named',
    }),
  ),
  refreshProfile: optional(Type.Boolean({ description: 'Take names over at every sign-in, not at the first alone' })),
  trustUpstreamAmr: optional(
    Type.Boolean({
      description:
        'Where the upstream says `mfa` in `amr`, our second factor is not asked of people who belong to this tenant alone; an `oidc` or `microsoft` connection only',
    }),
  ),
  upstreamLogout: optional(
    Type.Boolean({
      description: 'Logout tokens to `/login/backchannel/{id}` (OpenID Connect Back-Channel Logout 1.0) end the sessions of that person',
    }),
  ),
  logoutAtProvider: optional(
    Type.Boolean({
      description:
        'Off where nothing is said. Who came by it and signs out, at an application or at their account page, is sent on to the provider’s `end_session_endpoint` (OpenID Connect RP-Initiated Logout 1.0), where it has one, and comes back by `signedOutPath`; for `oidc`, `microsoft`, `google` and `apple`. Their ID token is kept for that, sealed, as long as the session. Sessions that are ended without a browser, by an administrator, an API or a logout token, are not passed on',
    }),
  ),
};
const OPTIONS = Type.Object({ ...SHARED_OPTIONS, apple: optional(APPLE) });
const OPTIONS_INPUT = Type.Object(
  {
    ...SHARED_OPTIONS,
    apple: optional(
      Type.Object(
        {
          ...APPLE.properties,
          privateKey: optional(Type.String({ minLength: 1, maxLength: 2048, description: 'PKCS #8 PEM; never answered' })),
        },
        { description: 'Sign in with Apple signs its client secret; required for `apple`' },
      ),
    ),
  },
  { description: 'What is left out has its default' },
);

const FIELDS = {
  key: Type.String({
    pattern: '^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$',
    description: 'Names it in `social:<key>`, `connection`, `idp_hint` and `provider`; the kind where nothing is said',
  }),
  name: Type.String({ minLength: 1, maxLength: 100, description: 'On the button' }),
  clientId: Type.String({ minLength: 1, maxLength: 255, pattern: '^[\\x21-\\x7e]+$' }),
  domains: Type.Array(Type.String({ minLength: 1, maxLength: 253 }), {
    maxItems: 50,
    uniqueItems: true,
    description: 'Who types an address in exactly one of these goes to this connection; each must be a verified domain of the tenant',
  }),
  enabled: Type.Boolean(),
};
const ISSUER = Type.String({
  minLength: 1,
  maxLength: 512,
  description: 'Of an `oidc` provider, as in its discovery document; for `microsoft` `https://login.microsoftonline.com/<tenant>/v2.0`',
});
const SECRET = Type.String({ minLength: 1, maxLength: 1024, description: 'Never answered' });

const REST = {
  key: optional(FIELDS.key),
  clientSecret: optional(SECRET),
  issuer: optional(ISSUER),
  domains: optional(FIELDS.domains),
  enabled: optional(FIELDS.enabled),
  options: optional(OPTIONS_INPUT),
};

/** For POST. */
export const CONNECTION_INPUT = Type.Object({ kind: KIND, name: FIELDS.name, clientId: FIELDS.clientId, ...REST });
export type ConnectionInput = Static<typeof CONNECTION_INPUT>;

/** For PUT: kind, key, client id, issuer and secrets stay where they are left out. */
export const CONNECTION_REPLACEMENT = Type.Object({
  kind: optional(KIND),
  name: FIELDS.name,
  clientId: optional(FIELDS.clientId),
  ...REST,
});
export type ConnectionReplacement = Static<typeof CONNECTION_REPLACEMENT>;

const nullable = Object.fromEntries(
  Object.entries({ name: optional(FIELDS.name), clientId: optional(FIELDS.clientId), ...REST, options: optional(Type.Unknown()) }).map(
    ([field, schema]) => [field, Type.Optional(Type.Union([schema, Type.Null()]))],
  ),
);
export const CONNECTION_PATCH = Type.Object({ kind: optional(KIND), ...nullable });

export const CONNECTION = Type.Object({
  id: Type.String(),
  kind: KIND,
  ...FIELDS,
  issuer: Type.Union([Type.String(), Type.Null()]),
  options: OPTIONS,
  hasClientSecret: Type.Boolean(),
  callbackPath: Type.String({ description: 'The redirect URI to register there is the issuer followed by this' }),
  signedOutPath: Type.String({
    description: 'The post-logout redirect URI to register there, for `logoutAtProvider`, is the issuer followed by this',
  }),
  createdAt: Type.String({ format: 'date-time' }),
  updatedAt: Type.String({ format: 'date-time' }),
});
export type ConnectionView = Static<typeof CONNECTION>;
export const CONNECTION_PAGE = pageSchema(CONNECTION);
export const CONNECTION_QUERY = Type.Object(PAGE_QUERY);
