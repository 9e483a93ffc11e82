/** OpenAPI 3.1 of the declared routes, at `/openapi.json`. */
import { createHash } from 'node:crypto';
import type { TSchema } from '@sinclair/typebox';
import type { Middleware } from 'koa';
import { ACCOUNT_SCOPE, PERMISSIONS } from '../core/permissions.ts';
import { isUnchanged } from './etag.ts';
import { type Access, NDJSON, type Route, type Upload } from './route.ts';
import { closed } from './validate.ts';

export interface OpenApiOptions {
  issuer: string;
  version?: string;
}

type Json = Record<string, unknown>;

const REASONS: Readonly<Record<number, string>> = {
  200: 'Done',
  201: 'Created',
  202: 'Accepted; the work goes on later',
  204: 'Done, nothing to say',
  304: 'Not changed since the version that If-None-Match names',
  400: 'The request is malformed',
  401: 'No token, or one that is not good',
  403: 'The permission is missing',
  404: 'Not found',
  408: 'The body came too slowly',
  409: 'It is taken, or in a state that does not allow this',
  412: 'It has changed since the version that If-Match names',
  413: 'The body is too large',
  415: 'The type of the body is not supported',
  421: 'This server does not answer to that host',
  422: 'The content is not valid',
  429: 'Too many requests; see Retry-After',
  500: 'A bug of ours',
  503: 'Temporarily unavailable; see Retry-After',
};

/** The document; the same routes make the same document. Throws nothing. */
export function buildOpenApi(routes: readonly Route[], { issuer, version = '1.0.0' }: OpenApiOptions): Json {
  const paths: Record<string, Json> = {};
  for (const route of routes) {
    paths[route.path] ??= {};
    paths[route.path]![route.method.toLowerCase()] = operation(route);
  }
  const tags = [...new Set(routes.map((route) => route.spec.tag))].sort().map((name) => ({ name }));
  return plain({
    openapi: '3.1.0',
    info: {
      title: 'Gatehouse',
      version,
      description: 'The management and direct-login API. The protocol endpoints (OAuth 2.0, OpenID Connect) are described by discovery.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: issuer }],
    tags,
    paths,
    components: { schemas: { Problem: PROBLEM }, securitySchemes: securitySchemes(issuer) },
  });
}

function operation({ method, path, spec }: Route): Json {
  const responses: Record<string, Json> = {};
  for (const [status, schema] of Object.entries(spec.replies)) responses[status] = success(Number(status), schema, spec.lines);
  if (method === 'GET' && path.includes('{') && spec.versioned) responses['304'] = { description: REASONS[304] };
  for (const status of spec.errors)
    responses[String(status)] = {
      description: REASONS[status] ?? 'Refused',
      headers: headersOf(status),
      content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
    };
  return {
    operationId: operationId(method, path),
    summary: spec.summary,
    ...(spec.description === undefined ? {} : { description: spec.description }),
    tags: [spec.tag],
    parameters: [...members(spec.params, 'path'), ...members(spec.query, 'query'), ...headerParameters(method, path, spec)],
    ...(spec.body === undefined ? {} : { requestBody: bodyOf(method, spec.body) }),
    ...(spec.upload === undefined ? {} : { requestBody: uploadOf(spec.upload) }),
    responses,
    security: securityOf(spec.access),
  };
}

const success = (status: number, schema: TSchema | undefined, lines: boolean): Json => ({
  description: REASONS[status] ?? 'Done',
  headers: headersOf(status),
  ...(schema === undefined ? {} : { content: { [lines ? NDJSON : 'application/json']: { schema: closed(schema) } } }),
});

function headersOf(status: number): Json {
  const text = (description: string): Json => ({ description, schema: { type: 'string' } });
  return {
    'X-Request-Id': text('Of this request, as it stands in our logs'),
    ...(status === 401 ? { 'WWW-Authenticate': text('RFC 6750, RFC 9449') } : {}),
    ...(status === 429 || status === 503 ? { 'Retry-After': text('Seconds') } : {}),
  };
}

function members(schema: TSchema, where: 'path' | 'query'): Json[] {
  const required = new Set<string>(where === 'path' ? Object.keys(schema['properties']) : (schema['required'] ?? []));
  return Object.entries<TSchema>(schema['properties']).map(([name, member]) => {
    const { description, ...rest } = member;
    return { name, in: where, required: required.has(name), ...(description ? { description } : {}), schema: rest };
  });
}

function headerParameters(method: string, path: string, { idempotent, access, versioned }: Route['spec']): Json[] {
  const header = (name: string, description: string): Json => ({
    name,
    in: 'header',
    required: false,
    description,
    schema: { type: 'string' },
  });
  const item = path.includes('{');
  return [
    ...(idempotent
      ? [
          header(
            'Idempotency-Key',
            'A repetition within 24 hours gets the first answer, or 409 where that is not known; it is never carried out twice',
          ),
        ]
      : []),
    ...(item && versioned && method === 'GET' ? [header('If-None-Match', 'The ETag that is known; 304 where it still holds')] : []),
    ...(item && versioned && method !== 'GET' && method !== 'POST'
      ? [header('If-Match', 'The ETag that is to be changed; 412 where it is another')]
      : []),
    ...(access in PERMISSIONS ? [header('X-Tenant-Id', 'The tenant to act in; for platform administrators')] : []),
  ];
}

function bodyOf(method: string, schema: TSchema): Json {
  const content = { schema: closed(schema) };
  return {
    required: true,
    content:
      method === 'PATCH' ? { 'application/merge-patch+json': content, 'application/json': content } : { 'application/json': content },
  };
}

const uploadOf = ({ types }: Upload): Json => ({
  required: true,
  content: Object.fromEntries(types.map((type) => [type, { schema: { type: 'string' } }])),
});

function securityOf(access: Access): Json[] {
  if (access === 'public') return [];
  if (access === 'client') return [{ clientBasic: [] }, { bearer: [] }, {}];
  return [{ oauth2: [access] }];
}

function securitySchemes(issuer: string): Json {
  const scopes = { ...PERMISSIONS, [ACCOUNT_SCOPE]: 'See and change your own account' };
  return {
    oauth2: {
      type: 'oauth2',
      description: `Access tokens whose audience is ${issuer}/api: ask with resource=${issuer}/api.`,
      flows: {
        clientCredentials: { tokenUrl: `${issuer}/token`, scopes },
        authorizationCode: { authorizationUrl: `${issuer}/auth`, tokenUrl: `${issuer}/token`, scopes },
      },
    },
    bearer: { type: 'http', scheme: 'bearer', description: 'An access token or an API key' },
    clientBasic: { type: 'http', scheme: 'basic', description: 'Client authentication as at the token endpoint (RFC 6749 section 2.3.1)' },
  };
}

const PROBLEM = {
  type: 'object',
  description: 'RFC 9457. Further members tell more where a code has more to tell.',
  required: ['type', 'title', 'status', 'code', 'requestId'],
  properties: {
    type: { type: 'string', format: 'uri' },
    title: { type: 'string' },
    status: { type: 'integer' },
    detail: { type: 'string' },
    code: { type: 'string', description: 'Stable: noun.problem', pattern: '^[a-z0-9_]+(\\.[a-z0-9_]+)+$' },
    requestId: { type: 'string' },
    errors: {
      type: 'array',
      items: {
        type: 'object',
        required: ['pointer', 'message'],
        properties: { pointer: { type: 'string', description: 'RFC 6901' }, message: { type: 'string' } },
      },
    },
  },
};

/** `GET /api/users/{id}` -> `getApiUsersById`. */
function operationId(method: string, path: string): string {
  const words = path.split(/[^\w{}]+/).filter(Boolean);
  const name = words.map((word) => (word.startsWith('{') ? `By${capital(word.slice(1, -1))}` : capital(word))).join('');
  return `${method.toLowerCase()}${name}`;
}

const capital = (word: string): string => word.charAt(0).toUpperCase() + word.slice(1);

/** Without the symbols that TypeBox keeps in its schemas. */
const plain = (value: Json): Json => JSON.parse(JSON.stringify(value)) as Json;

/** Serves the document, with an ETag. */
export function openApiDocument(document: Json): Middleware {
  const body = JSON.stringify(document);
  const etag = `"${createHash('sha256').update(body).digest('hex').slice(0, 16)}"`;
  return async (ctx, next) => {
    if (ctx.path !== '/openapi.json' || (ctx.method !== 'GET' && ctx.method !== 'HEAD')) return next();
    ctx.status = 200;
    ctx.set({ etag, 'cache-control': 'no-cache', 'content-type': 'application/json; charset=utf-8' });
    if (isUnchanged(ctx.get('if-none-match'), etag)) ctx.status = 304;
    else ctx.body = body;
  };
}
