/** Providers as sign-in uses them: within five seconds, with what was learned of each kept, and every failure a reason. */
import { LRUCache } from 'lru-cache';
import type { Clock } from '../../core/clock.ts';
import type { Connection } from '../../features/connections/index.ts';
import type { Answer, Ask, BroughtToken, LogoutClaims, SignOutAsk, SocialProvider, Upstream, UpstreamPerson } from './provider.ts';
import { UpstreamRefused } from './provider.ts';

/** Throws UpstreamRefused. */
export interface Upstreams {
  begin(connection: Connection, ask: Ask): Promise<URL>;
  finish(connection: Connection, answer: Answer): Promise<UpstreamPerson>;
  judgeToken(connection: Connection, token: BroughtToken): Promise<UpstreamPerson>;
  judgeLogout(connection: Connection, token: string): Promise<LogoutClaims>;
  endSession(connection: Connection, ask: SignOutAsk): Promise<URL>;
}

const DEADLINE_MS = 4500;
const KEPT_MS = 3_600_000;
/** Nothing that could be taken for something else when it is written, compared or shown. */
const isSubject = (text: string): boolean =>
  text.length > 0 && text.length <= 255 && text === text.trim() && text.isWellFormed() && !/\p{Cc}/u.test(text);

export function createUpstreams({ fetch, clock }: { fetch: typeof globalThis.fetch; clock: Clock }): Upstreams {
  const learned = new LRUCache<string, Promise<object>>({ max: 1000, ttl: KEPT_MS });

  const upstreamOf = (connection: Connection): Upstream => ({
    connection,
    fetch,
    clock,
    async kept<T extends object>(name: string, make: () => Promise<T>): Promise<T> {
      const key = `${connection.id} ${connection.version} ${name}`;
      const before = learned.get(key) as Promise<T> | undefined;
      if (before) return before;
      const making = make();
      learned.set(key, making);
      making.catch(() => learned.delete(key));
      return making;
    },
  });

  async function within<T>(connection: Connection, work: (provider: SocialProvider, upstream: Upstream) => Promise<T>): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new UpstreamRefused('upstream.timeout')), DEADLINE_MS);
    });
    try {
      // Read from disk when the first person comes this way.
      const { PROVIDERS } = await import('./index.ts');
      return await Promise.race([work(PROVIDERS[connection.kind], upstreamOf(connection)), late]);
    } catch (error) {
      throw (await import('./reasons.ts')).refusedBy(error);
    } finally {
      clearTimeout(timer);
    }
  }

  const checked = (person: UpstreamPerson): UpstreamPerson => {
    if (!isSubject(person.subject)) throw new UpstreamRefused('subject.invalid');
    return person;
  };

  return {
    begin: (connection, ask) => within(connection, (provider, upstream) => provider.begin(upstream, ask)),
    finish: (connection, answer) => within(connection, async (provider, upstream) => checked(await provider.finish(upstream, answer))),
    judgeToken: (connection, token) =>
      within(connection, async (provider, upstream) => checked(await provider.judgeToken(upstream, token))),
    judgeLogout: (connection, token) =>
      within(connection, (provider, upstream) => {
        if (!provider.judgeLogout) throw new UpstreamRefused('logout.unsupported');
        return provider.judgeLogout(upstream, token);
      }),
    endSession: (connection, ask) =>
      within(connection, (provider, upstream) => {
        if (!provider.endSession) throw new UpstreamRefused('logout.unsupported');
        return provider.endSession(upstream, ask);
      }),
  };
}
