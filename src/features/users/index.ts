export type { NewInvitation, OpenInvitation, UserDeps } from './commands.ts';
export type { NewUser } from './create.ts';
export type { UserView } from './schema.ts';
export type { UserRow } from './store.ts';
