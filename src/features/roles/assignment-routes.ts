import { pageRequest } from '../../http/paging.ts';
import { ID_PARAMS, type Route, route } from '../../http/route.ts';
import { type AssignDeps, assignRole, revokeRole } from './assignments.ts';
import { type DecisionDeps, decideByRoles } from './decide.ts';
import { assignmentsOfRole, getRole, pageOfPermissions, type RoleQueryDeps, rolesOfGroup, rolesOfUser } from './queries.ts';
import {
  ASSIGN,
  ASSIGNED,
  ASSIGNMENT_PAGE,
  ASSIGNMENT_QUERY,
  CATALOGUE_PAGE,
  RBAC_DECISION,
  RBAC_QUERY,
  REVOKE,
  REVOKED,
  ROLES_OF_USER,
} from './schema.ts';

const tag = 'Roles';
const RIGHTS =
  'Nobody gives or takes a role that carries a management permission which they do not hold; the role of owners is given and taken by owners and by the platform only.';

/** Who has which role, what roles may carry, and what they decide. */
export function assignmentRoutes(deps: AssignDeps & RoleQueryDeps & DecisionDeps): Route[] {
  return [
    route('POST /api/roles/{id}/assign', {
      summary: 'Give a role to people and groups',
      description: `All of them or, where one is no member or no group of the tenant, none. With \`resource\` it counts for that thing only. Who has it already gets the new \`expiresAt\`; without one it stays for good. ${RIGHTS}`,
      tag,
      access: 'roles.write',
      params: ID_PARAMS,
      body: ASSIGN,
      reply: ASSIGNED,
      versioned: false,
      load: (scope, { id }) => getRole(deps, scope, id),
      handle: async (scope, { params, body }) => ({ roleId: params.id, ...(await assignRole(deps, scope, params.id, body)) }),
    }),
    route('POST /api/roles/{id}/revoke', {
      summary: 'Take a role from people and groups',
      description: `Altogether or, with \`resource\`, what was given for exactly that. The last active owner keeps the role (409 \`role.last_owner\`; in the root tenant \`user.last_administrator\`). ${RIGHTS}`,
      tag,
      access: 'roles.write',
      params: ID_PARAMS,
      body: REVOKE,
      reply: REVOKED,
      versioned: false,
      load: (scope, { id }) => getRole(deps, scope, id),
      handle: async (scope, { params, body }) => ({ roleId: params.id, ...(await revokeRole(deps, scope, params.id, body)) }),
    }),
    route('GET /api/roles/{id}/assignments', {
      summary: 'See who has a role',
      description: 'What has expired is not among them.',
      tag,
      access: 'roles.read',
      params: ID_PARAMS,
      query: ASSIGNMENT_QUERY,
      reply: ASSIGNMENT_PAGE,
      handle: (scope, { params, query }) => assignmentsOfRole(deps, scope, params.id, pageRequest(query)),
    }),
    route('GET /api/users/{id}/roles', {
      summary: 'See the roles of a member',
      description: '`items` are the assignments, own ones and those of groups (`groupId`); what they come to stands beside.',
      tag,
      access: 'roles.read',
      params: ID_PARAMS,
      query: ASSIGNMENT_QUERY,
      reply: ROLES_OF_USER,
      handle: (scope, { params, query }) => rolesOfUser(deps, scope, params.id, pageRequest(query)),
    }),
    route('GET /api/groups/{id}/roles', {
      summary: 'See the roles that a group gives',
      tag,
      access: 'roles.read',
      params: ID_PARAMS,
      query: ASSIGNMENT_QUERY,
      reply: ASSIGNMENT_PAGE,
      handle: (scope, { params, query }) => rolesOfGroup(deps, scope, params.id, pageRequest(query)),
    }),
    route('GET /api/permissions', {
      summary: 'List the permissions that roles may carry',
      description:
        'Those of this API, then the scopes of the APIs that the tenant sees: its own and those of the root tenant. In decisions `payroll.read` is the action `read` on the type `payroll`: a name is split at its last dot, or where it has none at its last colon. A name of another form is the action as a whole; its type is the last path segment of the identifier of the API or, where that has no path, the first label of its host.',
      tag,
      access: 'roles.read',
      query: ASSIGNMENT_QUERY,
      reply: CATALOGUE_PAGE,
      handle: (scope, { query }) => pageOfPermissions(deps, scope, pageRequest(query)),
    }),
    route('GET /api/auth/authorize/rbac', {
      summary: 'Ask whether the roles of somebody grant a permission',
      description:
        'Roles alone: own ones, those of groups, and what they inherit, less what has expired. A role that was given for one thing counts where `resource` names that thing, or one of that type. Somebody unknown, of elsewhere, disabled or at home in a suspended tenant is granted nothing.',
      tag: 'Decisions',
      access: 'decisions.evaluate',
      query: RBAC_QUERY,
      reply: RBAC_DECISION,
      handle: (scope, { query }) => decideByRoles(deps, scope, query),
    }),
  ];
}
