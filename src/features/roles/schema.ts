import { type Static, Type } from '@sinclair/typebox';
import { PAGE_QUERY, pageSchema } from '../../http/paging.ts';
import { ID } from '../../http/route.ts';

const orNull = <S extends ReturnType<typeof Type.String>>(schema: S) => Type.Union([schema, Type.Null()]);
const INSTANT = Type.String({ format: 'date-time' });

export const NAME = Type.String({
  minLength: 1,
  maxLength: 100,
  pattern: '^[^\\s\\p{Cc}<>]([^\\p{Cc}<>]*[^\\s\\p{Cc}<>])?$',
  description: 'Unique in the tenant; no UUID',
});
export const DESCRIPTION = Type.String({ maxLength: 500 });
export const PERMISSION_NAME = Type.String({ pattern: '^[\\x21\\x23-\\x5b\\x5d-\\x7e]{1,128}$' });
const PERMISSIONS = Type.Array(PERMISSION_NAME, { maxItems: 500, description: 'Each of the catalogue, `GET /api/permissions`' });
const PARENTS = Type.Array(Type.String({ minLength: 1, maxLength: 100 }), {
  maxItems: 50,
  description:
    'Names or ids of roles of the tenant, whose permissions it carries too; no loops, at most 8 generations; never the role of owners',
});
const NAMES = Type.Array(Type.String());

/** One thing, `invoice:42`, or all of a type, `invoice`. */
export const RESOURCE = Type.String({
  maxLength: 255,
  pattern: '^[A-Za-z0-9_./-]{1,100}(:[^\\s\\p{Cc}]{1,254})?$',
  description: '`type:id`, or `type` for all things of the type',
});

export const NEW_ROLE = Type.Object({
  roleName: NAME,
  description: Type.Optional(orNull(DESCRIPTION)),
  permissions: Type.Optional(PERMISSIONS),
  parents: Type.Optional(PARENTS),
});

/** For PUT and PATCH: what is named changes, null clears. */
export const ROLE_CHANGE = Type.Object({
  roleName: Type.Optional(NAME),
  description: Type.Optional(orNull(DESCRIPTION)),
  permissions: Type.Optional(Type.Union([PERMISSIONS, Type.Null()])),
  parents: Type.Optional(Type.Union([PARENTS, Type.Null()])),
});
export type RoleChange = Static<typeof ROLE_CHANGE>;

export const ROLE = Type.Object({
  id: Type.String(),
  roleName: Type.String(),
  description: orNull(Type.String()),
  permissions: NAMES,
  parents: Type.Array(Type.String(), { description: 'Names' }),
  effectivePermissions: Type.Array(Type.String(), { description: 'Its own and what its parents carry' }),
  builtIn: Type.Union([Type.Literal('owner'), Type.Literal('administrator'), Type.Literal('member'), Type.Null()], {
    description: 'What kind of built-in role it is, which nobody changes; null for others',
  }),
  createdAt: INSTANT,
  updatedAt: INSTANT,
});
export type RoleView = Static<typeof ROLE>;
export const ROLE_PAGE = pageSchema(ROLE);

export const ROLE_QUERY = Type.Object({
  ...PAGE_QUERY,
  roleName: Type.Optional(Type.String({ minLength: 1, maxLength: 100 })),
  permission: Type.Optional(Type.String({ minLength: 1, maxLength: 128, description: 'Roles that carry it, themselves or by a parent' })),
  sort: Type.Optional(
    Type.Union([Type.Literal('createdAt'), Type.Literal('-createdAt'), Type.Literal('roleName'), Type.Literal('-roleName')]),
  ),
});
export type RoleSearch = Pick<Static<typeof ROLE_QUERY>, 'roleName' | 'permission' | 'sort'>;

const IDS = Type.Array(ID, { minItems: 1, maxItems: 1000 });
const HOLDERS = {
  userId: Type.Optional(ID),
  userIds: Type.Optional(IDS),
  groupId: Type.Optional(ID),
  groupIds: Type.Optional(IDS),
};

export const ASSIGN = Type.Object({
  ...HOLDERS,
  resource: Type.Optional(RESOURCE),
  expiresAt: Type.Optional(Type.Union([INSTANT, Type.Null()], { description: 'In the future; without it the role stays' })),
});
export type AssignInput = Static<typeof ASSIGN>;

export const REVOKE = Type.Object({ ...HOLDERS, resource: Type.Optional(RESOURCE) });
export type RevokeInput = Static<typeof REVOKE>;

const COUNT = Type.Integer({ minimum: 0 });
export const ASSIGNED = Type.Object({ roleId: Type.String(), assigned: COUNT, unchanged: COUNT });
export const REVOKED = Type.Object({ roleId: Type.String(), revoked: COUNT, unchanged: COUNT });

export const ASSIGNMENT = Type.Object({
  id: Type.String(),
  roleId: Type.String(),
  roleName: Type.String(),
  userId: orNull(Type.String()),
  groupId: orNull(Type.String()),
  resource: orNull(Type.String()),
  expiresAt: orNull(INSTANT),
  grantedBy: orNull(Type.String()),
  createdAt: INSTANT,
});
export type AssignmentView = Static<typeof ASSIGNMENT>;
export const ASSIGNMENT_PAGE = pageSchema(ASSIGNMENT);
export const ASSIGNMENT_QUERY = Type.Object(PAGE_QUERY);

export const ROLES_OF_USER = Type.Object({
  userId: Type.String(),
  ...ASSIGNMENT_PAGE.properties,
  roles: Type.Array(Type.String(), { description: 'Names of the roles held for everything, own and by group' }),
  inherited: Type.Array(Type.String(), { description: 'Names of the roles that those carry beside themselves' }),
  effectivePermissions: Type.Array(Type.String(), { description: 'What all of these together allow, for everything' }),
});

export const CATALOGUE_ENTRY = Type.Object({
  name: Type.String(),
  description: Type.String(),
  kind: Type.Union([Type.Literal('management'), Type.Literal('resource')]),
  resource: orNull(Type.String({ description: 'The identifier of the API whose scope it is' })),
  resourceType: Type.String({ description: 'What decisions call the type of resource' }),
  action: Type.String({ description: 'What decisions call the action' }),
});
export type CatalogueEntry = Static<typeof CATALOGUE_ENTRY>;
export const CATALOGUE_PAGE = pageSchema(CATALOGUE_ENTRY);

export const RBAC_QUERY = Type.Object({
  userId: Type.String({ minLength: 1, maxLength: 255 }),
  permission: Type.String({ minLength: 1, maxLength: 128 }),
  resource: Type.Optional(RESOURCE),
});
export type RbacQuestion = Static<typeof RBAC_QUERY>;

export const RBAC_DECISION = Type.Object({
  access_granted: Type.Boolean(),
  userId: Type.String(),
  permission: Type.String(),
  resource: Type.Optional(Type.String()),
  roles: Type.Array(Type.String(), { description: 'The names of the roles that grant it' }),
});
