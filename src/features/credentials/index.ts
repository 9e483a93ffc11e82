export type { ImportedPassword, NewPassword, NewPersonsPassword } from './commands.ts';
export type { Passwords } from './passwords.ts';
export type { PasswordFault, PasswordRules } from './policy.ts';
export type { PasswordData } from './schema.ts';
