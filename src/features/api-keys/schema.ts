import { type Static, Type } from '@sinclair/typebox';
import { PAGE_QUERY, pageSchema } from '../../http/paging.ts';

const INSTANT = Type.String({ format: 'date-time' });
const NAME = Type.String({ minLength: 1, maxLength: 200 });
const PERMISSIONS = Type.Array(Type.String({ pattern: '^[a-z][a-z-]*\\.[a-z-]+$', maxLength: 64 }), {
  minItems: 1,
  maxItems: 200,
  uniqueItems: true,
  description: 'Management permissions. The key may use those of them that its owner holds at the time',
});
const OR_NULL = Type.Union([INSTANT, Type.Null()]);
const EXPIRES_AT = Type.Union([INSTANT, Type.Null()], {
  description: 'When it ends; null for never, where the tenant and the key that makes it allow that',
});

export const API_KEY_INPUT = Type.Object({
  name: NAME,
  permissions: Type.Optional(PERMISSIONS),
  expiresAt: Type.Optional(EXPIRES_AT),
});
export type ApiKeyInput = Static<typeof API_KEY_INPUT>;

/** Permissions can only become fewer; where PUT leaves them out, they stay. */
export const API_KEY_REPLACEMENT = API_KEY_INPUT;
export const API_KEY_PATCH = Type.Object({
  name: Type.Optional(NAME),
  permissions: Type.Optional(PERMISSIONS),
  expiresAt: Type.Optional(EXPIRES_AT),
});
export type ApiKeyPatch = Static<typeof API_KEY_PATCH>;

export const API_KEY = Type.Object({
  id: Type.String(),
  name: NAME,
  prefix: Type.String({ description: 'The first characters of the key' }),
  permissions: Type.Array(Type.String()),
  owner: Type.Object(
    { type: Type.Union([Type.Literal('user'), Type.Literal('client')]), id: Type.String() },
    { description: 'Who made it; it ends with them, and does no more than they may' },
  ),
  madeBy: Type.Union([Type.String(), Type.Null()], { description: 'The key that made this one, which ends with it' }),
  expiresAt: OR_NULL,
  lastUsedAt: Type.Union([INSTANT, Type.Null()], { description: 'To about a minute' }),
  createdAt: INSTANT,
  updatedAt: INSTANT,
});
export type ApiKeyView = Static<typeof API_KEY>;

export const NEW_API_KEY = Type.Object({
  ...API_KEY.properties,
  key: Type.String({ description: 'The key itself. Only its hash is kept: it is shown this once' }),
});

export const API_KEY_PAGE = pageSchema(API_KEY);
export const API_KEY_QUERY = Type.Object({
  ...PAGE_QUERY,
  ownerId: Type.Optional(Type.String({ minLength: 1, maxLength: 64, description: 'The id of a person or a client' })),
});
