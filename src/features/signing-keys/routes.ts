import { Type } from '@sinclair/typebox';
import { answer, type Route, route } from '../../http/route.ts';
import { rotateKeys, type SigningKeyDeps } from './commands.ts';
import { listKeys } from './store.ts';

const INSTANT = Type.String({ format: 'date-time' });
const MAYBE = Type.Union([INSTANT, Type.Null()]);
const ALG = Type.Union([Type.Literal('RS256'), Type.Literal('ES256'), Type.Literal('EdDSA')]);

const KEY = Type.Object({
  kid: Type.String(),
  alg: ALG,
  state: Type.Union([Type.Literal('next'), Type.Literal('active'), Type.Literal('retired'), Type.Literal('revoked')]),
  publishedAt: INSTANT,
  activatedAt: MAYBE,
  retiredAt: MAYBE,
  revokedAt: MAYBE,
});
const ROTATION = Type.Object({ done: Type.Boolean(), effectiveAt: INSTANT });
const tag = 'Signing keys';

/** What is known of the signing keys, never their private part, and their rotation; for the installation's administrators. */
export function signingKeyRoutes(deps: SigningKeyDeps): Route[] {
  return [
    route('GET /api/signing-keys', {
      summary: 'List the signing keys',
      tag,
      access: 'signing-keys.read',
      platform: true,
      reply: Type.Object({ items: Type.Array(KEY), nextCursor: Type.Null() }),
      handle: async () => ({
        items: (await listKeys(deps.db)).map((key) => ({
          kid: key.kid,
          alg: key.alg,
          state: key.state,
          publishedAt: key.publishedAt.toISOString(),
          activatedAt: key.activatedAt?.toISOString() ?? null,
          retiredAt: key.retiredAt?.toISOString() ?? null,
          revokedAt: key.revokedAt?.toISOString() ?? null,
        })),
        nextCursor: null,
      }),
    }),
    route('POST /api/signing-keys/rotate', {
      summary: 'Go on to the next signing keys',
      description:
        '`scheduled`: as soon as every cached key set may hold the next keys; 202 where that is later. `emergency`: at once; every key that has signed is withdrawn, and its tokens die.',
      tag,
      access: 'signing-keys.write',
      platform: true,
      body: Type.Object({
        mode: Type.Union([Type.Literal('scheduled'), Type.Literal('emergency')]),
        algs: Type.Optional(Type.Array(ALG, { minItems: 1, uniqueItems: true })),
      }),
      reply: ROTATION,
      also: { 202: ROTATION },
      handle: async (scope, { body }) => {
        const { done, effectiveAt } = await rotateKeys(deps, scope, body);
        return answer({ done, effectiveAt: effectiveAt.toISOString() }, { status: done ? 200 : 202 });
      },
    }),
  ];
}
