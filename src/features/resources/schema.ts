import { type Static, Type } from '@sinclair/typebox';
import { PAGE_QUERY, pageSchema } from '../../http/paging.ts';

const SCOPE = Type.Object({
  name: Type.String({ pattern: '^[\\x21\\x23-\\x5b\\x5d-\\x7e]{1,128}$', description: 'RFC 6749 section 3.3' }),
  description: Type.String({ maxLength: 500 }),
});
const NEW_SCOPE = Type.Object({ name: SCOPE.properties.name, description: Type.Optional(SCOPE.properties.description) });

const FIELDS = {
  identifier: Type.String({
    minLength: 1,
    maxLength: 512,
    description: 'An absolute URI (RFC 8707 section 2); the audience of its tokens',
  }),
  name: Type.String({ minLength: 1, maxLength: 200 }),
  scopes: Type.Array(SCOPE, { maxItems: 500 }),
  accessTokenFormat: Type.Union([Type.Literal('jwt'), Type.Literal('opaque')]),
  signingAlg: Type.Union([Type.Literal('RS256'), Type.Literal('ES256'), Type.Literal('EdDSA')]),
  accessTokenTtlSeconds: Type.Integer({ minimum: 1, maximum: 86_400 }),
  attributes: Type.Array(Type.String({ minLength: 1, maxLength: 128 }), { maxItems: 100, uniqueItems: true }),
  clients: Type.Array(Type.String({ pattern: '^[A-Za-z0-9_.~-]{1,64}$' }), { maxItems: 100, uniqueItems: true }),
};

const SCOPES_INPUT = Type.Array(NEW_SCOPE, { maxItems: 500 });
const { identifier, name, ...rest } = { ...FIELDS, scopes: SCOPES_INPUT };

/** For POST: what is left out has its default. */
export const RESOURCE_INPUT = Type.Object({ identifier, name, ...Type.Partial(Type.Object(rest)).properties });
export type ResourceInput = Static<typeof RESOURCE_INPUT>;

/** For PUT: the same, and the identifier stays where it is left out. */
export const RESOURCE_REPLACEMENT = Type.Object({ ...RESOURCE_INPUT.properties, identifier: Type.Optional(identifier) });
export type ResourceReplacement = Static<typeof RESOURCE_REPLACEMENT>;

export const RESOURCE_PATCH = Type.Object(
  Object.fromEntries(
    Object.entries({ ...FIELDS, scopes: SCOPES_INPUT }).map(([field, schema]) => [field, Type.Optional(Type.Union([schema, Type.Null()]))]),
  ),
);

export const RESOURCE = Type.Object({
  id: Type.String(),
  ...FIELDS,
  createdAt: Type.String({ format: 'date-time' }),
  updatedAt: Type.String({ format: 'date-time' }),
});
export type ResourceView = Static<typeof RESOURCE>;

export const RESOURCE_PAGE = pageSchema(RESOURCE);
export const RESOURCE_QUERY = Type.Object({ ...PAGE_QUERY, identifier: Type.Optional(identifier) });
