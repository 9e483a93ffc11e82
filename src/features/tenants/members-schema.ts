import { type Static, Type } from '@sinclair/typebox';
import { PAGE_QUERY, pageSchema } from '../../http/paging.ts';
import { ID } from '../../http/route.ts';
import { ANY_TYPE, STATUS } from './schema.ts';

const ROLES = Type.Array(Type.String({ minLength: 1, maxLength: 100 }), {
  maxItems: 100,
  uniqueItems: true,
  description: 'Names or ids of roles of the tenant',
});
const TEXT = Type.Union([Type.String(), Type.Null()]);

export const MEMBER_INPUT = Type.Object({ userId: Type.String({ minLength: 1, maxLength: 64 }), roles: Type.Optional(ROLES) });
export const MEMBER_REPLACEMENT = Type.Object({
  userId: Type.Optional(Type.String({ minLength: 1, maxLength: 64, description: 'The member’s; nothing else' })),
  roles: Type.Optional(ROLES),
});
export const MEMBER_PATCH = Type.Object({ roles: Type.Optional(Type.Union([ROLES, Type.Null()])) });

export const MEMBER = Type.Object({
  userId: Type.String(),
  username: TEXT,
  email: TEXT,
  givenName: TEXT,
  familyName: TEXT,
  status: Type.Union([Type.Literal('active'), Type.Literal('disabled')]),
  roles: Type.Array(Type.String(), { description: 'Names of the roles given to the person for everything; those of groups come on top' }),
  groups: Type.Array(Type.String()),
  attributes: Type.Optional(Type.Record(Type.String(), Type.Unknown(), { description: 'With `attributes.read`' })),
  home: Type.Boolean({ description: 'Whether the person is at home in the tenant' }),
  joinedAt: Type.String({ format: 'date-time' }),
});
export type MemberView = Static<typeof MEMBER>;
export const MEMBER_PAGE = pageSchema(MEMBER);
export const MEMBER_QUERY = Type.Object({ ...PAGE_QUERY });
export const MEMBER_PARAMS = Type.Object({ id: ID, userId: ID });

export const OWN_TENANT = Type.Object({
  tenantId: Type.String(),
  slug: Type.String(),
  name: Type.String(),
  type: ANY_TYPE,
  status: STATUS,
  roles: Type.Array(Type.String()),
  groups: Type.Array(Type.String()),
  home: Type.Boolean(),
});
export type OwnTenantView = Static<typeof OWN_TENANT>;
export const OWN_TENANTS = Type.Object({ items: Type.Array(OWN_TENANT), nextCursor: Type.Null() });
