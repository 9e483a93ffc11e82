import { forbidden } from './errors.ts';
import type { Scope } from './scope.ts';

/** The catalogue of management permissions; they are the scopes of the resource `ISSUER/api`. */
export const PERMISSIONS = {
  'users.read': 'See people and their sessions',
  'users.write': 'Create, change and delete people',
  'clients.read': 'See applications',
  'clients.write': 'Create, change and delete applications and their secrets',
  'resources.read': 'See resources (APIs)',
  'resources.write': 'Create, change and delete resources (APIs)',
  'signing-keys.read': 'See the signing keys',
  'signing-keys.write': 'Rotate the signing keys',
  'audit.read': 'Read the audit log',
  'sessions.read': 'See any session',
  'sessions.write': 'End any session',
  'tokens.validate': 'Ask whether a token is alive',
  'tenants.read': 'See the tenant, its settings, domains, address rules, limits and usage',
  'tenants.write': 'Change the tenant, its settings, domains and address rules',
  'members.read': 'See who belongs to the tenant',
  'members.write': 'Add and remove members',
  'invitations.read': 'See invitations',
  'invitations.write': 'Invite people, and take invitations back',
  'roles.read': 'See roles and who has them',
  'roles.write': 'Create, change, assign and revoke roles',
  'groups.read': 'See groups and their members',
  'groups.write': 'Create, change and delete groups, add and remove their members',
  'attributes.read': 'See attribute definitions and values',
  'attributes.write': 'Change attribute definitions and values',
  'api-keys.read': 'See API keys, less the keys themselves',
  'api-keys.write': 'Make, change and delete API keys',
  'connections.read': 'See connections to other identity providers, less their secrets',
  'connections.write': 'Create, change and delete connections to other identity providers',
  'plans.read': 'See plans, templates and subscriptions',
  'plans.write': 'Change plans, templates, subscriptions and limits',
  'decisions.evaluate': 'Ask whether somebody may do something',
  'logs.write': 'Report authentication events of other services',
} as const;

export type Permission = keyof typeof PERMISSIONS;

export const ALL_PERMISSIONS: readonly Permission[] = Object.freeze(Object.keys(PERMISSIONS) as Permission[]);

/** The scope by which a person's own data is reached at `/api/me`; everybody may have it, so it is no permission. */
export const ACCOUNT_SCOPE = 'account';

/** Whose account a request is about, where the route's `access` is `account`: that lets nobody in but people. */
export function ownPerson({ actor }: Scope): string {
  if (actor.type !== 'user') throw new TypeError('only a person has an account');
  return actor.id;
}

export const isManagementPermission = (text: string): text is Permission => Object.hasOwn(PERMISSIONS, text);

export type BuiltInRole = 'owner' | 'administrator' | 'member';

/**
 * What the built-in roles may do, whatever the catalogue grows to. An owner differs from an administrator in that one has to stay, and that
 * only owners make owners. In the root tenant the owner's role is called `administrator`: its holders run the installation.
 */
export const BUILT_IN_ROLES: Readonly<Record<BuiltInRole, readonly Permission[]>> = {
  owner: ALL_PERMISSIONS,
  administrator: ALL_PERMISSIONS,
  member: [],
};

/** Whether whoever acts may do `permission` here. The one question all of our own code asks; the policy engine answers it later. */
export const can = (scope: Scope, permission: string): boolean => scope.permissions.has(permission);

/**
 * Nobody grants, takes or touches more than they hold: throws 403 with the first management permission among these that whoever acts lacks.
 * Applications' own permissions are not judged.
 */
export function checkHolds(scope: Scope, permissions: Iterable<string>): void {
  for (const permission of permissions) if (isManagementPermission(permission) && !can(scope, permission)) throw forbidden(permission);
}
