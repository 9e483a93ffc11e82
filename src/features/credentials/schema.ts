import { type Static, Type } from '@sinclair/typebox';
import { TypeCompiler } from '@sinclair/typebox/compiler';

/** What a credential of type `password` keeps in `data`. */
export const PasswordData = Type.Object({
  /** PHC string or bcrypt; ours, or an imported one until the first sign-in. */
  hash: Type.String(),
  /** Somebody else knows it: it has to be changed at the next sign-in. */
  mustChange: Type.Boolean(),
  /** ISO 8601. */
  setAt: Type.String(),
});
export type PasswordData = Static<typeof PasswordData>;

const check = TypeCompiler.Compile(PasswordData);

/** The stored data of a password; undefined where it is none. */
export const parsePasswordData = (data: unknown): PasswordData | undefined => (check.Check(data) ? data : undefined);
