import { randomUUID } from 'node:crypto';
import { startTestApp } from '#test/support/app.ts';
import { setUpScene } from './scene.ts';

/** Where an attack is proven to fail outside of this file: the file, and words of the test's name. */
export const ELSEWHERE: readonly (readonly [attack: string, file: string, words: string])[] = [
  ['G1', 'features/invitations/accept.spec.ts', 'G1: an invented or altered secret opens nothing'],
  ['G2', 'features/invitations/invitations.spec.ts', 'G2: show their secret to nobody but the address'],
  ['G3', 'features/invitations/accept.spec.ts', 'G3: past its time it is refused by the clock'],
  ['G5', 'features/invitations/accept.spec.ts', 'G5: somebody with the same address unproven is refused'],
  ['G7', 'isolation.spec.ts', 'answers an id of the other tenant as one that nobody has, at every route'],
  ['G9', 'features/roles/roles.spec.ts', 'that carry more than the caller holds are not made, changed, deleted or inherited (G9)'],
  ['G11', 'attacks/escalation.spec.ts', 'G11: a manager of applications gives none more than they hold'],
  ['G14', 'oidc/tenants.spec.ts', 'G14: a client of one tenant gets nothing of another’s'],
  ['G15', 'permissions.spec.ts', 'no route but the doors answers who shows nothing'],
  ['G18', 'features/invitations/accept.spec.ts', 'G18: the secret in somebody else’s hands opens nothing'],
  ['G19', 'attacks/mass-assignment.spec.ts', 'takes no member that its document does not name, at any route'],
  ['G21', 'attacks/races.spec.ts', 'of the last two owners one stays'],
  ['G26', 'isolation.spec.ts', 'shows nothing of the other tenant in any list'],
  ['G27', 'features/roles/live.spec.ts', 'on the next call (G27)'],
  ['D9', 'oidc/tenants.spec.ts', 'a role taken away is gone from our API at once, and from tokens at the next issue'],
];

export interface Operation {
  method: string;
  path: string;
  security: Record<string, string[]>[];
  query: { name: string; schema: { type?: string; enum?: unknown[]; anyOf?: { const?: unknown }[] } }[];
}

/** Everything the specs of it begin with; `close` ends it. */
export async function startOperations() {
  const app = await startTestApp();
  const s = await setUpScene(app);
  const { paths } = (await app.api('GET', '/openapi.json')).body as {
    paths: Record<
      string,
      Record<string, { parameters?: (Operation['query'][number] & { in: string })[]; security?: Operation['security'] }>
    >;
  };
  const operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, { parameters = [], security = [] }]) => ({
      method: method.toUpperCase(),
      path,
      security,
      query: parameters.filter((one) => one.in === 'query'),
    })),
  );

  const ofA = (path: string): string =>
    path.replace(/\{[^}]+\}/g, (_, at: number) => s.a.ids[path.slice(0, at).split('/').at(-2) ?? ''] ?? randomUUID());

  const close = () => app?.close();
  return { app, s, operations, ofA, close };
}
export type Operations = Awaited<ReturnType<typeof startOperations>>;
