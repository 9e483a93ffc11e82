export type { ImportedPassword, NewPassword, NewPersonsPassword } from './commands.ts';
export type { PasswordOwner, Passwords } from './passwords.ts';
export type { PasswordFault, PasswordPolicy, PasswordRules } from './policy.ts';
export type { PasswordData } from './schema.ts';
