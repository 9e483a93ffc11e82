import { type Static, Type } from '@sinclair/typebox';

const optional = Type.Optional;
const KIND = Type.Union([Type.Literal('http'), Type.Literal('oidc')], {
  description: '`http`: has a code sent or shown, and judges it; `oidc`: an OpenID provider that the browser is sent to',
});
const URL_OF_SERVICE = Type.String({
  minLength: 9,
  maxLength: 500,
  description: 'Of `http`: https, without query and fragment; `/challenge` and `/verify` are below it. Public addresses only',
});
const ISSUER = Type.String({
  minLength: 9,
  maxLength: 500,
  description: 'Of `oidc`: https, without query and fragment; its discovery document is below it. Public addresses only',
});
const CLIENT_ID = Type.String({ minLength: 1, maxLength: 255, pattern: '^[\\x20-\\x7e]+$', description: 'Of `oidc`: who we are there' });
const SUBJECT_CLAIM = Type.Union([Type.Literal('sub'), Type.Literal('email')], {
  description:
    'Of `oidc`: what in the ID token says whom it is about, and goes there as `login_hint`: `sub`, which has to be the id of the person here (as with external authentication methods of Entra ID), or `email`, which has to be verified on both sides. `sub` where nothing is said',
});
const values = (description: string) =>
  Type.Array(Type.String({ minLength: 1, maxLength: 200, pattern: '^[\\x21-\\x7e]+$' }), { maxItems: 10, uniqueItems: true, description });
const ACR_VALUES = values('Of `oidc`: asked for as `acr_values`; where there are any, the `acr` of the ID token has to be one of them');
const AMR_VALUES = values('Of `oidc`: where there are any, the `amr` of the ID token has to hold one of them');
const MAX_AGE = Type.Integer({
  minimum: 0,
  maximum: 86_400,
  description:
    'Of `oidc`: sent as `max_age`; `auth_time` of the ID token has to be that recent. 0 where nothing is said: proven there each time',
});
const ROLES = Type.Array(Type.String({ minLength: 1, maxLength: 100 }), {
  maxItems: 50,
  uniqueItems: true,
  description:
    'Names of roles that the tenant has: whoever holds one of them proves the second factor there. A role that is deleted later is held by nobody. Empty: everybody at home in the tenant',
});
const WHEN_UNAVAILABLE = Type.Union([Type.Literal('refuse'), Type.Literal('other-factor')], {
  description:
    'While the service does not answer: refuse, or let another second factor stand in that the person has set up; whoever has none is refused',
});

export const SERVICE_INPUT = Type.Object({
  kind: optional(KIND),
  url: optional(URL_OF_SERVICE),
  token: optional(
    Type.String({
      minLength: 16,
      maxLength: 1000,
      pattern: '^[A-Za-z0-9._~+/-]+=*$',
      description:
        'Of `http`: sent as a bearer token (RFC 6750); never answered. May be left out where one is kept and `url` stays at its host',
    }),
  ),
  issuer: optional(ISSUER),
  clientId: optional(CLIENT_ID),
  clientSecret: optional(
    Type.String({
      minLength: 8,
      maxLength: 1000,
      pattern: '^[\\x20-\\x7e]+$',
      description: 'Of `oidc`: never answered. May be left out where one is kept, and `issuer` and `clientId` stay',
    }),
  ),
  subjectClaim: optional(SUBJECT_CLAIM),
  acrValues: optional(ACR_VALUES),
  amrValues: optional(AMR_VALUES),
  maxAgeSeconds: optional(MAX_AGE),
  roles: optional(ROLES),
  whenUnavailable: optional(WHEN_UNAVAILABLE),
});
export type ServiceInput = Static<typeof SERVICE_INPUT>;

export const SERVICE = Type.Object({
  kind: KIND,
  url: optional(URL_OF_SERVICE),
  issuer: optional(ISSUER),
  clientId: optional(CLIENT_ID),
  subjectClaim: optional(SUBJECT_CLAIM),
  acrValues: optional(ACR_VALUES),
  amrValues: optional(AMR_VALUES),
  maxAgeSeconds: optional(MAX_AGE),
  redirectUri: optional(
    Type.String({ description: 'Of `oidc`: to be registered there; one for each issuer of ours that people sign in at' }),
  ),
  roles: ROLES,
  whenUnavailable: WHEN_UNAVAILABLE,
  createdAt: Type.String({ format: 'date-time' }),
  updatedAt: Type.String({ format: 'date-time' }),
});
export type ServiceView = Static<typeof SERVICE>;
