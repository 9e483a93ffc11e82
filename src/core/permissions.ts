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

/** What each built-in role of a membership may do. The root tenant's administrators run the installation. */
export const BUILT_IN_ROLES: Readonly<Record<string, readonly Permission[]>> = {
  administrator: ALL_PERMISSIONS,
};

/** Whether whoever acts may do `permission` here. The one question all of our own code asks; the policy engine answers it later. */
export const can = (scope: Scope, permission: string): boolean => scope.permissions.has(permission);
