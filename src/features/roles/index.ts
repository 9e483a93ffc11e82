import type { BuiltInRole } from '../../core/permissions.ts';

/** A role as processes keep it. */
export interface RoleFacts {
  id: string;
  name: string;
  /** Its own; what its parents carry comes on top. */
  permissions: readonly string[];
  builtIn: BuiltInRole | null;
  /** Names of the roles whose permissions it carries too. */
  parents: readonly string[];
}

/** All roles of one tenant, ready to be asked. What is no role of the tenant gives nothing. */
export interface RoleBook {
  roles: readonly RoleFacts[];
  find(nameOrId: string): RoleFacts | undefined;
  /** The roles with everything they inherit, by name, in order. */
  expand(names: readonly string[]): string[];
  /** What somebody with these roles may do; inherited permissions included. */
  permissionsOf(names: readonly string[]): ReadonlySet<string>;
  /** Whether the owner's role is among them. */
  isOwner(names: readonly string[]): boolean;
}

export interface RoleBooks {
  /** The book of a tenant; an empty one where there is none. */
  of(tenantId: string): Promise<RoleBook>;
  /** After a change of ours: the next question reads again. */
  drop(tenantId: string): void;
}

/** A role to be made: as the API takes it, and as templates have it. */
export interface NewRole {
  roleName: string;
  description?: string | null;
  /** Each of the catalogue. */
  permissions?: readonly string[];
  /** Names or ids of roles of the tenant. */
  parents?: readonly string[];
}
