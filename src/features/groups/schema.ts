import { type Static, Type } from '@sinclair/typebox';
import { PAGE_QUERY, pageSchema } from '../../http/paging.ts';
import { ID } from '../../http/route.ts';

const orNull = <S extends ReturnType<typeof Type.String>>(schema: S) => Type.Union([schema, Type.Null()]);
const INSTANT = Type.String({ format: 'date-time' });
const NAME = Type.String({
  minLength: 1,
  maxLength: 100,
  pattern: '^[^\\s\\p{Cc}<>]([^\\p{Cc}<>]*[^\\s\\p{Cc}<>])?$',
  description: 'Unique in the tenant',
});
const DESCRIPTION = Type.String({ maxLength: 500 });

export const NEW_GROUP = Type.Object({ name: NAME, description: Type.Optional(orNull(DESCRIPTION)) });
export type NewGroup = Static<typeof NEW_GROUP>;

export const GROUP_PATCH = Type.Object({ name: Type.Optional(NAME), description: Type.Optional(orNull(DESCRIPTION)) });
/** For PUT: what is left out has its default, and the name stays. */
export const GROUP_REPLACEMENT = GROUP_PATCH;
export type GroupPatch = Static<typeof GROUP_PATCH>;

export const GROUP = Type.Object({
  id: Type.String(),
  name: Type.String(),
  description: orNull(Type.String()),
  createdAt: INSTANT,
  updatedAt: INSTANT,
});
export type GroupView = Static<typeof GROUP>;
export const GROUP_PAGE = pageSchema(GROUP);
export const GROUP_QUERY = Type.Object({ ...PAGE_QUERY, name: Type.Optional(Type.String({ minLength: 1, maxLength: 100 })) });

export const MEMBER_PARAMS = Type.Object({ id: ID, userId: ID });
export const NEW_MEMBERS = Type.Object({
  userId: Type.Optional(ID),
  userIds: Type.Optional(Type.Array(ID, { minItems: 1, maxItems: 1000 })),
});
export type NewMembers = Static<typeof NEW_MEMBERS>;
const COUNT = Type.Integer({ minimum: 0 });
export const ADDED = Type.Object({ groupId: Type.String(), added: COUNT, unchanged: COUNT });
export const MEMBER_PAGE = pageSchema(Type.Object({ userId: Type.String(), addedAt: INSTANT }));
export const MEMBER_QUERY = Type.Object(PAGE_QUERY);
