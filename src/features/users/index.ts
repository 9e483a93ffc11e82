export type { NewInvitation, OpenInvitation, UserDeps } from './commands.ts';
export type { NewUser } from './create.ts';
export type { ImportFormat } from './import-formats.ts';
export type { Fault, Line, Wish } from './import-lines.ts';
export type { ImportRun, Outcome } from './import-people.ts';
export type { UserView } from './schema.ts';
export type { UserRow } from './store.ts';
