/** Sign-in, put together: what the composition root takes from this folder. */
import type { Middleware } from 'koa';
import type { Scope } from '../core/scope.ts';
import type { JobHandler } from '../infra/jobs.ts';
import type { Authenticated, Refusal } from '../oidc/direct-login.ts';
import { createAssurance, type LoginAssurance } from './assurance.ts';
import { createCodes } from './codes.ts';
import { authenticateDirect } from './direct.ts';
import { createEngine, type Engine, type EngineDeps } from './engine.ts';
import type { FlowDeps } from './flow.ts';
import type { LoginMethod } from './method.ts';
import { builtInMethods } from './methods/index.ts';
import { type LoginRoutesDeps, loginRoutes } from './routes.ts';
import { loginJobs } from './send-code.ts';

export interface LoginDeps extends Omit<FlowDeps, 'codes' | 'methods'>, Pick<EngineDeps, 'count'> {
  /** How long a one-time code works; ten minutes where nothing is said. */
  codeSeconds?: number | undefined;
  /** Further ways to sign in, beside those built in. */
  methods?: readonly LoginMethod[];
}

export type PageDeps = Pick<LoginRoutesDeps, 'interactions' | 'view' | 'csrf' | 'resourceNames' | 'mail'>;

export interface Login {
  engine: Engine;
  flow: FlowDeps;
  /** By name, for the job queue. */
  jobs: Readonly<Record<string, JobHandler>>;
  assurance: LoginAssurance;
  /** The door for clients that ask for the credentials themselves. */
  authenticate(input: Readonly<Record<string, unknown>>, client: { clientId: string }, scope: Scope): Promise<Authenticated | Refusal>;
  /** The pages, once the protocol is there that they lead back to. */
  routes(pages: PageDeps): Middleware;
}

export function createLogin(deps: LoginDeps): Login {
  const { db, clock, box, limits, audit, passwords, codeSeconds } = deps;
  const methods = [...builtInMethods({ passwords }), ...(deps.methods ?? [])];
  const codes = createCodes({ clock, box, limits, ...(codeSeconds === undefined ? {} : { lifetimeSeconds: codeSeconds }) });
  const flow: FlowDeps = { ...deps, codes, methods };
  const engine = createEngine({ db, clock, box, limits, audit, methods, ...(deps.count ? { count: deps.count } : {}) });
  return {
    engine,
    flow,
    jobs: loginJobs(flow),
    assurance: createAssurance({ db, methods }),
    authenticate: (input, client, scope) => authenticateDirect(engine, input, client, scope),
    routes: (pages) => loginRoutes({ ...flow, ...pages, engine }),
  };
}
