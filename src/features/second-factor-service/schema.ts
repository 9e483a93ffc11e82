import { type Static, Type } from '@sinclair/typebox';

const URL_OF_SERVICE = Type.String({
  minLength: 9,
  maxLength: 500,
  description: 'https, without query and fragment; `/challenge` and `/verify` are below it. Public addresses only',
});
const ROLES = Type.Array(Type.String({ minLength: 1, maxLength: 100 }), {
  maxItems: 50,
  uniqueItems: true,
  description:
    'Names of roles of the tenant: whoever holds one of them proves the second factor there. Empty: everybody at home in the tenant',
});
const WHEN_UNAVAILABLE = Type.Union([Type.Literal('refuse'), Type.Literal('other-factor')], {
  description:
    'While the service does not answer: refuse, or let another second factor stand in that the person has set up; whoever has none is refused',
});

export const SERVICE_INPUT = Type.Object({
  url: URL_OF_SERVICE,
  token: Type.Optional(
    Type.String({
      minLength: 16,
      maxLength: 1000,
      pattern: '^[A-Za-z0-9._~+/-]+=*$',
      description: 'Sent as a bearer token (RFC 6750); never answered. May be left out where one is kept and `url` stays at its host',
    }),
  ),
  roles: Type.Optional(ROLES),
  whenUnavailable: Type.Optional(WHEN_UNAVAILABLE),
});
export type ServiceInput = Static<typeof SERVICE_INPUT>;

export const SERVICE = Type.Object({
  url: URL_OF_SERVICE,
  roles: ROLES,
  whenUnavailable: WHEN_UNAVAILABLE,
  createdAt: Type.String({ format: 'date-time' }),
  updatedAt: Type.String({ format: 'date-time' }),
});
export type ServiceView = Static<typeof SERVICE>;
