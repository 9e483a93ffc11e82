import { Type } from '@sinclair/typebox';
import { ownPerson } from '../../core/permissions.ts';
import type { Scope } from '../../core/scope.ts';
import { DELETED, deleted, pageSchema } from '../../http/paging.ts';
import { ID_PARAMS, type Route, route } from '../../http/route.ts';

const IDENTITY = Type.Object({
  id: Type.String(),
  connection: Type.Object({ id: Type.String(), key: Type.String(), kind: Type.String(), name: Type.String() }),
  email: Type.Union([Type.String(), Type.Null()], { description: 'As the provider says; it may be another than the account’s' }),
  name: Type.Union([Type.String(), Type.Null()]),
  createdAt: Type.String({ format: 'date-time' }),
  lastUsedAt: Type.Union([Type.String({ format: 'date-time' }), Type.Null()]),
});
const TEXT = Type.Optional(Type.String({ minLength: 1, maxLength: 8192 }));
const LINK = Type.Object({
  provider: Type.String({ minLength: 1, maxLength: 64, description: 'The key of a connection, or its id' }),
  access_token: TEXT,
  id_token: TEXT,
  code: TEXT,
  redirectUri: TEXT,
  codeVerifier: TEXT,
  nonce: TEXT,
});

export interface OwnIdentity {
  id: string;
  connection: { id: string; key: string; kind: string; name: string };
  email: string | undefined;
  name: string | undefined;
  createdAt: Date;
  lastUsedAt: Date | undefined;
}

export interface OwnIdentityDeps {
  list(userId: string): Promise<readonly OwnIdentity[]>;
  /** Throws 401 where what was brought may not be believed, 403, 409. */
  link(scope: Scope, userId: string, brought: { provider: string } & Readonly<Record<string, string | undefined>>): Promise<void>;
  /** Throws 404, 409. */
  unlink(scope: Scope, userId: string, id: string): Promise<void>;
  /** Throws 401 where the sign-in is too old or too weak (RFC 9470). */
  checkFresh(scope: Scope): Promise<void>;
}

const tag = 'Own account';
const FRESH =
  'Takes a sign-in of the last minutes, with the second factor where there is one: else 401 with `insufficient_user_authentication` (RFC 9470).';

/** Who a person is at other providers. */
export function ownIdentityRoutes(deps: OwnIdentityDeps): Route[] {
  return [
    route('GET /api/me/identities', {
      summary: 'List the accounts at other providers that open yours',
      tag,
      access: 'account',
      reply: pageSchema(IDENTITY),
      handle: async (scope) => ({
        items: (await deps.list(ownPerson(scope))).map(({ email, name, createdAt, lastUsedAt, ...rest }) => ({
          ...rest,
          email: email ?? null,
          name: name ?? null,
          createdAt: createdAt.toISOString(),
          lastUsedAt: lastUsedAt?.toISOString() ?? null,
        })),
        nextCursor: null,
      }),
    }),
    route('POST /api/me/identities', {
      summary: 'Link an account at another provider',
      description: `By what the provider gave the app: one of \`access_token\`, \`id_token\`, and \`code\` with \`redirectUri\` and \`codeVerifier\`. ${FRESH}`,
      tag,
      access: 'account',
      idempotent: false,
      body: LINK,
      reply: Type.Object({ linked: Type.Literal(true) }),
      errors: [401, 403, 404, 409],
      async handle(scope, { body }) {
        await deps.checkFresh(scope);
        await deps.link(scope, ownPerson(scope), body);
        return { linked: true as const };
      },
    }),
    route('DELETE /api/me/identities/{id}', {
      versioned: false,
      summary: 'Unlink an account at another provider',
      description: `409 with \`code: "identity.last_way_in"\` where nothing else would open the account. ${FRESH}`,
      tag,
      access: 'account',
      params: ID_PARAMS,
      reply: DELETED,
      errors: [401, 409],
      async handle(scope, { params }) {
        await deps.checkFresh(scope);
        await deps.unlink(scope, ownPerson(scope), params.id);
        return deleted(params.id);
      },
    }),
  ];
}
