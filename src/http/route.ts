/** A route is a declaration: validation of input and output, the permission, refusals in the audit log, idempotency and OpenAPI follow from it. */
import { type Static, type TObject, type TSchema, Type } from '@sinclair/typebox';
import type { Context } from 'koa';
import type { Permission } from '../core/permissions.ts';
import type { Scope } from '../core/scope.ts';

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

/**
 * Who may: a management permission; `account`, a person with their own token of that scope; `client`, a client that the
 * handler itself authenticates (a bearer token is read too, where there is one); `public`, everybody.
 */
export type Access = Permission | 'account' | 'client' | 'public';

const NOTHING = Type.Object({});
type Nothing = typeof NOTHING;

export interface RouteInput<P extends TSchema, Q extends TSchema, B extends TSchema, L> {
  params: Static<P>;
  query: Static<Q>;
  body: Static<B>;
  /** What `load` found. */
  loaded: L;
  /** The header as sent, where it was; see `checkIfMatch`. */
  ifMatch: string | undefined;
  /** The body as it comes in, where the route declares `upload`; throws 400, 408 and 413. Empty elsewhere. */
  upload: AsyncIterable<Buffer>;
  ctx: Context;
}

export interface RouteSpec<P extends TSchema, Q extends TSchema, B extends TSchema, R extends TSchema, L> {
  summary: string;
  description?: string;
  tag: string;
  access: Access;
  /** Only for whoever acts for the whole installation: a member of the root tenant, or a client of it. Others get 403. */
  platform?: boolean;
  /** Each is text of the path; what does not fit is an unknown id: 404. */
  params?: P;
  query?: Q;
  /** Objects are closed: members that are not named are refused. */
  body?: B;
  /** Bytes; 1 MiB where nothing is said. */
  bodyLimit?: number;
  /** A body that is not read beforehand but handed on as it comes, of any size up to `maxBytes`. Not together with `body`; such a POST ignores `Idempotency-Key`. */
  upload?: Upload;
  /** The answer is a line of JSON for each item of `answerLines`; `reply` says what a line is. */
  lines?: boolean;
  reply?: R;
  /** Of the answer; 200 where nothing is said. */
  status?: 200 | 201 | 202 | 204;
  /** Further successes with their bodies. */
  also?: Readonly<Record<number, TSchema>>;
  /** Statuses of refusals beyond those that follow from the declaration. */
  errors?: readonly number[];
  /** False: a POST that ignores `Idempotency-Key`. */
  idempotent?: boolean;
  /** False: what the path names carries no ETag, so that there is nothing for `If-Match` to compare. */
  versioned?: boolean;
  /** Runs after the permission check and before the body is judged: throws 404 where what the path names is unknown. */
  load?(scope: Scope, params: Static<P>, ctx: Context): Promise<L>;
  handle(scope: Scope, input: RouteInput<P, Q, B, L>): Promise<Static<R> | Answer>;
}

export interface Upload {
  /** Media types that are taken. */
  types: readonly string[];
  maxBytes: number;
}

export const NDJSON = 'application/x-ndjson';

const ANSWER = Symbol('answer');

/** A body with what goes along; made by `answer`. */
export interface Answer {
  readonly [ANSWER]: true;
  body: unknown;
  status?: number | undefined;
  /** Becomes the strong ETag; GET answers 304 where the caller has it. */
  version?: number | string | undefined;
  headers?: Readonly<Record<string, string>> | undefined;
  /** Instead of the body, for a route that declares `lines`. */
  items?: AsyncIterable<unknown> | undefined;
}

/** For a handler that has more to say than the body: `return answer(user, { version: row.version })`. */
export const answer = (body: unknown, more: Omit<Answer, typeof ANSWER | 'body'> = {}): Answer => ({ [ANSWER]: true, body, ...more });

/** For a handler of a route that declares `lines`: each item becomes a line, sent as soon as the caller takes it. */
export const answerLines = (items: AsyncIterable<unknown>): Answer => ({ [ANSWER]: true, body: undefined, items });

export const isAnswer = (value: unknown): value is Answer => typeof value === 'object' && value !== null && ANSWER in value;

/** A declaration with its types forgotten; what mounting, OpenAPI and tests work with. */
export interface Route {
  readonly method: Method;
  /** As OpenAPI writes it: `/api/users/{id}`. */
  readonly path: string;
  readonly spec: Readonly<{
    summary: string;
    description?: string | undefined;
    tag: string;
    access: Access;
    platform: boolean;
    params: TObject;
    query: TObject;
    body: TSchema | undefined;
    bodyLimit: number | undefined;
    upload: Upload | undefined;
    lines: boolean;
    /** Every success by status; undefined for an empty body. */
    replies: Readonly<Record<number, TSchema | undefined>>;
    status: number;
    /** Every documented refusal. */
    errors: readonly number[];
    idempotent: boolean;
    /** Whether `If-Match` is honoured. */
    versioned: boolean;
    /** `user` of `/api/users/{id}`: what an unknown id is called. */
    noun: string;
  }>;
  load(scope: Scope, params: unknown, ctx: Context): Promise<unknown>;
  handle(scope: Scope, input: RouteInput<TSchema, TSchema, TSchema, unknown>): Promise<unknown>;
}

/**
 * Declares a route. `signature` is the method and the path, e.g. `PATCH /api/users/{id}`. Throws at start where the path names a
 * parameter that `params` does not, or the other way round.
 */
export function route<
  P extends TSchema = Nothing,
  Q extends TSchema = Nothing,
  B extends TSchema = Nothing,
  R extends TSchema = TSchema,
  L = undefined,
>(signature: `${Method} /${string}`, spec: RouteSpec<P, Q, B, R, L>): Route {
  const [method, path] = signature.split(' ') as [Method, string];
  const names = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name!);
  const params = (spec.params ?? Type.Object(Object.fromEntries(names.map((name) => [name, ID_TEXT])))) as unknown as TObject;
  if (JSON.stringify([...names].sort()) !== JSON.stringify(Object.keys(params.properties).sort()))
    throw new Error(`${signature}: the path and params name different parameters`);
  const status = spec.status ?? 200;
  const idempotent = method === 'POST' && spec.idempotent !== false && spec.access !== 'public' && !spec.upload;
  return {
    method,
    path,
    spec: {
      summary: spec.summary,
      description: spec.description,
      tag: spec.tag,
      access: spec.access,
      platform: spec.platform ?? false,
      params,
      query: (spec.query ?? NOTHING) as unknown as TObject,
      body: spec.body,
      bodyLimit: spec.bodyLimit,
      upload: spec.upload,
      lines: spec.lines ?? false,
      replies: { [status]: status === 204 ? undefined : spec.reply, ...spec.also },
      status,
      errors: errorsOf(method, names.length > 0, spec, idempotent).filter((code) => !Object.hasOwn(spec.also ?? {}, code)),
      idempotent,
      versioned: spec.versioned ?? true,
      noun: nounOf(path),
    },
    // Here and only here the types are forgotten: what comes in was checked against these very schemas.
    load: async (scope, input, ctx) => spec.load?.(scope, input as Static<P>, ctx),
    handle: (scope, input) => spec.handle(scope, input as unknown as RouteInput<P, Q, B, L>),
  };
}

const ID_TEXT = Type.String({ minLength: 1, maxLength: 255 });

/** The id of a row in a path; anything else is 404 before the database is asked. */
export const ID = Type.String({ pattern: '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$', description: 'A UUID' });
export const ID_PARAMS = Type.Object({ id: ID });

function errorsOf(
  method: Method,
  hasParams: boolean,
  spec: { access: Access; body?: unknown; upload?: unknown; errors?: readonly number[]; versioned?: boolean },
  idempotent: boolean,
): number[] {
  const all = new Set([400, 422, 429, 500, 503, ...(spec.errors ?? [])]);
  if (spec.access !== 'public') for (const status of [401, 403, 404]) all.add(status);
  if (hasParams) all.add(404);
  if (spec.body !== undefined) for (const status of [413, 415]) all.add(status);
  if (spec.upload !== undefined) for (const status of [408, 413, 415]) all.add(status);
  if (method !== 'GET' && hasParams && spec.versioned !== false) all.add(412);
  if (idempotent || (method !== 'GET' && spec.access !== 'public')) all.add(409);
  return [...all].sort();
}

/** `/api/users/{id}` -> `user`, `/api/policies/{id}` -> `policy`, `/api/signing-keys/{kid}` -> `signing_key`. */
function nounOf(path: string): string {
  const segments = path.split('/').filter(Boolean);
  const parameter = segments.findIndex((segment) => segment.startsWith('{'));
  const plural = segments[parameter > 0 ? parameter - 1 : segments.length - 1] ?? 'resource';
  return plural.replaceAll('-', '_').replace(/ies$/, 'y').replace(/s$/, '');
}
