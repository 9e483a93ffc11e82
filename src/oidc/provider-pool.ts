/** One provider for each issuer that is in use, built on demand and again when what it was built from has changed. */
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { LRUCache } from 'lru-cache';
import type { Provider } from 'oidc-provider';
import { answerPublicDocument } from './public-documents.ts';

export interface PoolSettings {
  issuer: string;
  /** Another number: it is built again on the next request. */
  revision: number | string;
}

export interface ProviderPoolDeps<S extends PoolSettings> {
  /** The settings of an issuer; undefined where there is none of that URL. */
  lookup(issuer: string): S | undefined;
  /** Builds a provider with everything on it, so that exchanging it forgets nothing. */
  build(settings: S): Provider;
  /** How many are kept; the least recently used go. */
  maxLive: number;
}

export interface ProviderPool {
  /** Throws where there is no such issuer. */
  get(issuer: string): Provider;
  /** Answers a request with the issuer's provider. Requests under way end on the provider they began with. */
  handle(issuer: string, request: IncomingMessage, response: ServerResponse): void;
  readonly size: number;
}

interface Live {
  provider: Provider;
  listener: RequestListener;
  revision: number | string;
}

/** Hosts are judged, and forwarded headers settled, before this (http/server.ts): only so is `proxy` safe. */
export function createProviderPool<S extends PoolSettings>(deps: ProviderPoolDeps<S>): ProviderPool {
  const pool = new LRUCache<string, Live>({ max: deps.maxLive });

  function live(issuer: string): Live {
    const settings = deps.lookup(issuer);
    if (!settings) {
      pool.delete(issuer);
      throw new Error(`no issuer ${issuer}`);
    }
    const known = pool.get(issuer);
    if (known?.revision === settings.revision) return known;
    const provider = deps.build(settings);
    provider.proxy = true;
    const made = { provider, listener: provider.callback(), revision: settings.revision };
    pool.set(issuer, made);
    return made;
  }

  return {
    get: (issuer) => live(issuer).provider,
    handle(issuer, request, response) {
      const { provider, listener } = live(issuer);
      if (!answerPublicDocument(provider, request, response)) void listener(request, response);
    },
    get size() {
      return pool.size;
    },
  };
}
