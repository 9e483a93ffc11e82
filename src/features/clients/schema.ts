import { type Static, Type } from '@sinclair/typebox';
import { ALL_PERMISSIONS } from '../../core/permissions.ts';
import { DELETED, PAGE_QUERY, pageSchema } from '../../http/paging.ts';

const URI = Type.String({ minLength: 1, maxLength: 2048 });
const URIS = Type.Array(URI, { maxItems: 100, uniqueItems: true });
const TEXT = Type.String({ minLength: 1, maxLength: 200 });
const ALG = Type.Union([Type.Literal('RS256'), Type.Literal('ES256'), Type.Literal('EdDSA')]);
const ASSERTION_ALG = Type.Union(['RS256', 'PS256', 'ES256', 'EdDSA'].map((alg) => Type.Literal(alg)));

/** Members of RFC 7591 section 2, OpenID Connect Registration and Back-Channel Logout, and RFC 8705, by their names. */
const STANDARD = {
  client_name: TEXT,
  redirect_uris: URIS,
  post_logout_redirect_uris: URIS,
  grant_types: Type.Array(
    Type.Union([Type.Literal('authorization_code'), Type.Literal('refresh_token'), Type.Literal('client_credentials')]),
    { uniqueItems: true },
  ),
  response_types: Type.Array(Type.Literal('code'), { uniqueItems: true }),
  token_endpoint_auth_method: Type.Union([
    Type.Literal('client_secret_basic'),
    Type.Literal('client_secret_post'),
    Type.Literal('private_key_jwt'),
    Type.Literal('tls_client_auth'),
    Type.Literal('self_signed_tls_client_auth'),
    Type.Literal('none'),
  ]),
  token_endpoint_auth_signing_alg: ASSERTION_ALG,
  application_type: Type.Union([Type.Literal('web'), Type.Literal('native')]),
  scope: Type.String({ maxLength: 2000, pattern: '^[\\x21\\x23-\\x5b\\x5d-\\x7e]+( [\\x21\\x23-\\x5b\\x5d-\\x7e]+)*$' }),
  jwks: Type.Object({
    keys: Type.Array(Type.Record(Type.String(), Type.Union([Type.String(), Type.Array(Type.String())])), { minItems: 1, maxItems: 20 }),
  }),
  jwks_uri: URI,
  client_uri: URI,
  logo_uri: Type.String({ ...URI, description: 'Kept and never loaded: pages show the picture of `PUT …/logo`' }),
  policy_uri: URI,
  tos_uri: URI,
  contacts: Type.Array(TEXT, { maxItems: 10 }),
  initiate_login_uri: URI,
  backchannel_logout_uri: URI,
  backchannel_logout_session_required: Type.Boolean(),
  default_max_age: Type.Integer({ minimum: 0 }),
  require_auth_time: Type.Boolean(),
  id_token_signed_response_alg: ALG,
  userinfo_signed_response_alg: ALG,
  introspection_signed_response_alg: ALG,
  dpop_bound_access_tokens: Type.Boolean(),
  tls_client_auth_subject_dn: Type.String({
    minLength: 1,
    maxLength: 1000,
    description:
      'RFC 4514: `CN=app,O=Example,C=DE`. With `tls_client_auth`, exactly one of the `tls_client_auth_…` members says whose certificate it must be',
  }),
  tls_client_auth_san_dns: Type.String({ minLength: 1, maxLength: 253 }),
  tls_client_auth_san_uri: URI,
  tls_client_auth_san_ip: Type.String({ minLength: 2, maxLength: 45 }),
  tls_client_auth_san_email: Type.String({ minLength: 3, maxLength: 320 }),
  tls_client_certificate_bound_access_tokens: Type.Boolean({
    description: 'Access tokens are good only on connections with the certificate with which they were fetched',
  }),
  require_pushed_authorization_requests: Type.Boolean(),
  software_id: TEXT,
  software_version: TEXT,
};

const OURS = {
  enabled: Type.Boolean({ description: 'False: it cannot be used, and its tokens are inactive' }),
  first_party: Type.Boolean({ description: 'People are not asked for consent; switched on by administrators of the installation only' }),
  direct_login: Type.Boolean({
    description:
      'It may take passwords and codes itself and sign in at `/api/auth/login`; switched on by administrators of the installation only',
  }),
  profile: Type.Union([Type.Literal('default'), Type.Literal('fapi2')]),
  permissions: Type.Array(Type.Union(ALL_PERMISSIONS.map((permission) => Type.Literal(permission))), {
    uniqueItems: true,
    description: 'Management permissions, for `client_credentials`; nobody grants more than they hold',
  }),
  allowed_origins: Type.Array(Type.String({ minLength: 1, maxLength: 255 }), { maxItems: 100, uniqueItems: true, description: 'For CORS' }),
  require_pkce: Type.Boolean({ description: 'Only a confidential client that sends a nonce may do without' }),
  require_second_factor: Type.Boolean({ description: 'Whoever signs in to it needs a second factor, whatever the tenant asks for' }),
  default_resource: Type.String({ minLength: 1, maxLength: 512, description: 'The API for which tokens are where none is named' }),
  brand_color: Type.String({
    pattern: '^#[0-9a-fA-F]{6}$',
    description:
      'As #rrggbb; the colour of sign-in pages on the way to it, instead of its tenant’s. What is read on it is computed to be legible',
  }),
  id_token_claims: Type.Array(
    Type.Union(['tenant_id', 'tenant_name', 'roles', 'groups', 'entitlements', 'attributes'].map((claim) => Type.Literal(claim))),
    {
      uniqueItems: true,
      description:
        'Claims that its ID tokens always have, whatever scopes are asked for; entitlements and attributes are those for the API of the access token beside it',
    },
  ),
};

const CLIENT_ID = Type.String({ pattern: '^[A-Za-z0-9_.~-]{3,64}$' });

export const CLIENT_INPUT = Type.Partial(Type.Object({ ...STANDARD, ...OURS }));
export type ClientInput = Static<typeof CLIENT_INPUT>;

export const NEW_CLIENT = Type.Composite([CLIENT_INPUT, Type.Object({ client_id: Type.Optional(CLIENT_ID) })]);
export type NewClient = Static<typeof NEW_CLIENT>;

const nullable = Object.fromEntries(
  Object.entries({ ...STANDARD, ...OURS }).map(([name, schema]) => [name, Type.Optional(Type.Union([schema, Type.Null()]))]),
);
export const CLIENT_PATCH = Type.Object({ ...nullable, client_id: Type.Optional(CLIENT_ID) });

export const SECRET_VIEW = Type.Object({
  id: Type.String(),
  created_at: Type.String({ format: 'date-time' }),
  expires_at: Type.Union([Type.String({ format: 'date-time' }), Type.Null()]),
});

export const CLIENT = Type.Object({
  client_id: Type.String(),
  ...Type.Partial(Type.Object(STANDARD)).properties,
  ...Type.Required(Type.Object(OURS)).properties,
  default_resource: Type.Optional(OURS.default_resource),
  id_token_claims: Type.Optional(OURS.id_token_claims),
  brand_color: Type.Optional(OURS.brand_color),
  require_second_factor: Type.Optional(OURS.require_second_factor),
  secrets: Type.Array(SECRET_VIEW),
  created_at: Type.String({ format: 'date-time' }),
  updated_at: Type.String({ format: 'date-time' }),
});
export type ClientView = Static<typeof CLIENT>;

export const CREATED_CLIENT = Type.Composite([
  CLIENT,
  Type.Object({
    client_secret: Type.Optional(Type.String({ description: 'Shown once' })),
    client_secret_expires_at: Type.Optional(Type.Integer()),
  }),
]);

export const NEW_SECRET = Type.Object({
  expiresInSeconds: Type.Optional(Type.Integer({ minimum: 60, maximum: 315_360_000 })),
});
export const CREATED_SECRET = Type.Composite([SECRET_VIEW, Type.Object({ client_secret: Type.String({ description: 'Shown once' }) })]);

export const CLIENT_PAGE = pageSchema(CLIENT);
export const CLIENT_QUERY = Type.Object({
  ...PAGE_QUERY,
  client_name: Type.Optional(Type.String({ minLength: 1, maxLength: 200 })),
  enabled: Type.Optional(Type.Boolean()),
});
export { DELETED };

/** Which members are columns of their own; every other one is metadata. */
export const COLUMNS: readonly string[] = ['enabled', 'first_party', 'direct_login', 'profile', 'permissions', 'allowed_origins'];
