/** A tenant's own OpenID provider as a second factor: whether it answers is asked each time, with a breaker for each, since its pages are not ours. */
import { LRUCache } from 'lru-cache';
import type { Connection } from '../features/connections/index.ts';
import type { OidcService } from '../features/second-factor-service/index.ts';
import { type Breaker, createBreaker } from '../infra/circuit-breaker.ts';
import { SERVICE_TIMEOUT_MS } from './second-factor-service.ts';
import type { Answer, Ask, UpstreamPerson } from './social/provider.ts';
import type { Upstreams } from './social/upstreams.ts';

const MOST_SERVICES = 1000;

export interface ProviderClient {
  /** Where the browser goes. Throws where the provider does not answer as it should, or in time, or is left alone for a while. */
  begin(service: OidcService, ask: Ask): Promise<URL>;
  /** Whom the provider speaks of. Throws UpstreamRefused. */
  finish(service: OidcService, answer: Answer): Promise<UpstreamPerson>;
  close(): void;
}

/** `fetch` is the guarded one; `upstreams` go by it too. */
export function createProviderClient({
  fetch,
  upstreams,
}: {
  fetch: typeof globalThis.fetch;
  upstreams: Pick<Upstreams, 'begin' | 'finish'>;
}): ProviderClient {
  const breakers = new LRUCache<string, Breaker<Ask, URL>>({ max: MOST_SERVICES, dispose: (one) => one.close() });

  /** What was learned of it before says nothing of today. */
  async function checkAlive({ issuer }: OidcService, signal: AbortSignal): Promise<void> {
    const url = `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`;
    const answer = await fetch(url, { headers: { accept: 'application/json' }, signal });
    await answer.body?.cancel();
    if (answer.status !== 200) throw new Error(`the provider answered ${answer.status}`);
  }

  function breakerOf(service: OidcService): Breaker<Ask, URL> {
    const key = `${service.tenantId} ${service.revision}`;
    const known = breakers.get(key);
    if (known) return known;
    const made = createBreaker<Ask, URL>(
      async (ask, signal) => {
        await checkAlive(service, signal);
        return upstreams.begin(connectionOf(service), ask);
      },
      { timeoutMs: SERVICE_TIMEOUT_MS },
    );
    breakers.set(key, made);
    return made;
  }

  return {
    begin: (service, ask) => breakerOf(service).ask(ask),
    finish: (service, answer) => upstreams.finish(connectionOf(service), answer),
    close: () => breakers.clear(),
  };
}

/** The provider as one that is asked for an identity, which nobody is looked up by. */
function connectionOf({ tenantId, revision, issuer, clientId, clientSecret, subjectClaim }: OidcService): Connection {
  return {
    // Keys and metadata are kept by it: never those of an earlier provider.
    id: `second-factor ${tenantId} ${revision}`,
    tenantId,
    key: 'second-factor',
    kind: 'oidc',
    name: hostOf(issuer),
    issuer,
    clientId,
    clientSecret,
    privateKey: undefined,
    options: { scopes: subjectClaim === 'email' ? ['openid', 'email'] : ['openid'] },
    domains: [],
    enabled: true,
    version: 0,
  };
}

/** How the person is told where they go. */
export const hostOf = (issuer: string): string => new URL(issuer).host;
