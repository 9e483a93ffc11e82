/** Which path of the API does what. */
import { AppError } from '../core/errors.ts';
import type { Scope } from '../core/scope.ts';
import { type Challenges, NO_CHALLENGES } from './challenge.ts';
import {
  authenticateByCode,
  authenticateByPasskey,
  authenticateDirect,
  authenticateSecond,
  type DirectAnswer,
  type DirectClient,
  type DirectDeps,
  type Fields,
} from './direct.ts';
import {
  type ActionAnswer,
  finishDirectRegistration,
  finishDirectReset,
  passkeyOptions,
  register,
  resetDirect,
  sendDirectCode,
} from './direct-actions.ts';
import { challengeDue } from './direct-challenge.ts';

type Does<Answer> = (deps: DirectDeps, input: Fields, client: DirectClient, scope: Scope) => Promise<Answer>;

const SIGN_IN: Readonly<Record<string, Does<DirectAnswer>>> = {
  '/api/auth/login': ({ engine }, ...rest) => authenticateDirect(engine, ...rest),
  '/api/auth/login/email': (deps, ...rest) => authenticateByCode(deps, 'email', ...rest),
  '/api/auth/login/mobile': (deps, ...rest) => authenticateByCode(deps, 'sms', ...rest),
  '/api/auth/login/2fa': authenticateSecond,
  '/api/auth/login/passkey': authenticateByPasskey,
  '/api/auth/verify': finishDirectRegistration,
  '/api/auth/password/reset/complete': finishDirectReset,
};

const ACTIONS: Readonly<Record<string, Does<ActionAnswer>>> = {
  '/api/auth/otp': sendDirectCode,
  '/api/auth/passkey/options': passkeyOptions,
  '/api/auth/register': register,
  '/api/auth/password/reset': resetDirect,
};

const NEEDS_MAIL: ReadonlySet<string> = new Set(['/api/auth/register', '/api/auth/password/reset']);

export interface DirectDoor {
  /** Judges what came to a path that answers tokens. */
  authenticate(path: string, input: Fields, client: DirectClient, scope: Scope): Promise<DirectAnswer>;
  /** Does what came to a path that answers something else. */
  act(path: string, input: Fields, client: DirectClient, scope: Scope): Promise<ActionAnswer>;
}

export interface DirectDoorDeps extends DirectDeps {
  /** Asked for what the pages ask it for. */
  challenges?: Challenges | undefined;
  /** Mail can be sent; where not, nothing begins that waits for one. True where nothing is said. */
  mail?: boolean;
}

export function createDirectDoor(deps: DirectDoorDeps, more: Readonly<Record<string, Does<DirectAnswer>>> = {}): DirectDoor {
  const unknown = (path: string): AppError => new AppError('path.not_found', 404, `Nothing answers at ${path}`);
  return {
    async authenticate(path, input, client, scope) {
      const does = more[path] ?? SIGN_IN[path];
      if (!does) throw unknown(path);
      return does(deps, input, client, scope);
    },
    async act(path, input, client, scope) {
      const does = ACTIONS[path];
      if (!does) throw unknown(path);
      if (deps.mail === false && NEEDS_MAIL.has(path))
        return { refused: 'mail.not_configured', status: 503, extra: { detail: 'Mail is not set up on this server' } };
      const due = await challengeDue({ audit: deps.audit, challenges: deps.challenges ?? NO_CHALLENGES }, path, input, scope);
      if (due) return due;
      return does(deps, input, client, scope);
    },
  };
}
