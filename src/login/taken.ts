/** What is known of an attempt once its account is found and its step is one that may be taken. */
import type { Scope } from '../core/scope.ts';
import type { Attempt, EngineDeps } from './attempt.ts';
import type { Kept } from './begun.ts';
import type { readLogin } from './identifiers.ts';
import type { Journey } from './journey.ts';
import type { Account, CodeTarget, LoginMethod } from './method.ts';
import type { LoginPolicy } from './next-step.ts';
import type { TenantLoginSettings } from './policy.ts';
import type { AttemptFacts } from './store.ts';

export interface JudgeDeps extends EngineDeps {
  byId: ReadonlyMap<string, LoginMethod>;
  offered: LoginPolicy['methods'];
}

export interface Taken {
  deps: JudgeDeps;
  scope: Scope;
  attempt: Attempt;
  method: LoginMethod;
  input: Record<string, unknown>;
  facts: AttemptFacts;
  settings: TenantLoginSettings;
  policy: LoginPolicy;
  from: Journey;
  isFirst: boolean;
  kept: Kept | undefined;
  claimed: ReturnType<typeof readLogin> | undefined;
  deviceHash: string | undefined;
  now: Date;
}

/** How the code that was typed compares with the one that was sent. */
export interface Compared {
  says: 'right' | 'wrong' | 'none';
  id: string | undefined;
  target: CodeTarget | undefined;
}

/** Whose proof it is. */
export interface Found {
  account: Account;
  knownDevice: boolean;
  trustedDevice: boolean;
  amr?: readonly string[] | undefined;
  double?: boolean | undefined;
  /** The provider that they came by, sealed for their session. */
  upstream?: string | undefined;
}
