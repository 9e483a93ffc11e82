export type { NewUser, UserDeps } from './commands.ts';
export type { UserView } from './schema.ts';
export type { UserRow } from './store.ts';
