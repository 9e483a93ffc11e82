import type { LoginMethod } from '../method.ts';
import { passwordMethod } from './password.ts';

type Deps = Parameters<typeof passwordMethod>[0];

/** Every way to sign in, in the order the pages offer them. */
export const builtInMethods = (deps: Deps): LoginMethod[] => [passwordMethod(deps)];
