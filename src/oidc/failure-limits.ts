/** Wrong client secrets are limited by address and by client; who went beyond waits, and costs nobody a query meanwhile. */
import { LRUCache } from 'lru-cache';
import { errors, type KoaContextWithOIDC, type Provider } from 'oidc-provider';
import { AppError } from '../core/errors.ts';
import { currentRequest } from '../core/scope.ts';
import { sendProblem } from '../http/problem.ts';
import { addressKey, type Limits, RULES } from '../infra/limits.ts';

export interface FailureLimits {
  /** Throws 429 where this address or client has failed too often. */
  check(clientId: string | undefined): void;
  /** Counts one failure; throws 429 with the first that is too many. */
  count(clientId: string | undefined): Promise<void>;
}

export function createFailureLimits(limits: Pick<Limits, 'consume'>): FailureLimits {
  const blocked = new LRUCache<string, AppError>({ max: 10_000 });
  const keysOf = (clientId: string | undefined) => {
    const address = addressKey(currentRequest.getStore()?.address ?? '');
    // A client is held at one address only: nobody elsewhere can keep it from its tokens.
    return [
      { rule: RULES.clientAuthFailureByAddress, key: address },
      { rule: RULES.clientAuthFailureByClient, key: `${address} ${clientId ?? ''}` },
    ];
  };
  return {
    check(clientId) {
      for (const { rule, key } of keysOf(clientId)) {
        const error = blocked.get(`${rule.name} ${key}`);
        if (error) throw error;
      }
    },
    async count(clientId) {
      for (const { rule, key } of keysOf(clientId)) {
        try {
          await limits.consume(rule, key);
        } catch (error) {
          if (error instanceof AppError && error.status === 429)
            blocked.set(`${rule.name} ${key}`, error, { ttl: Number(error.extra['retryAfterSeconds'] ?? 1) * 1000 });
          throw error;
        }
      }
    },
  };
}

const PATHS = new Set(['/token', '/token/introspection', '/token/revocation', '/request', '/api/auth/login', '/api/sessions/refresh']);

/** Guards every endpoint at which clients authenticate. */
export function useFailureLimits(provider: Provider, failures: FailureLimits): void {
  const failed = new WeakSet<object>();
  const note = (ctx: object, error: Error): void => {
    if (error instanceof errors.InvalidClientAuth || error instanceof errors.InvalidClient) failed.add(ctx);
  };
  const emitter: NodeJS.EventEmitter = provider;
  for (const name of ['grant', 'introspection', 'revocation', 'pushed_authorization_request']) emitter.on(`${name}.error`, note);
  provider.use(async (ctx, next) => {
    if (!PATHS.has(ctx.path) || ctx.method !== 'POST') return next();
    const isOurApi = ctx.path.startsWith('/api/');
    try {
      failures.check(namedBy(ctx.get('authorization')));
      await next();
      if (failed.has(ctx)) await failures.count((ctx as unknown as KoaContextWithOIDC).oidc?.client?.clientId);
    } catch (error) {
      if (!(error instanceof AppError) || error.status !== 429) throw error;
      ctx.remove('www-authenticate');
      if (isOurApi) return void sendProblem(ctx, error, currentRequest.getStore()?.id ?? '');
      ctx.status = 429;
      ctx.set(error.headers);
      ctx.set('cache-control', 'no-store');
      ctx.body = { error: 'temporarily_unavailable', error_description: 'too many failed authentications' };
    }
  });
}

/** The client that HTTP Basic names (RFC 6749 section 2.3.1); who names itself in the body is found out when its secret is wrong again. */
export function namedBy(header: string): string | undefined {
  const encoded = /^Basic +([A-Za-z0-9+/=]+)$/i.exec(header)?.[1];
  const [name] = encoded ? Buffer.from(encoded, 'base64').toString('utf8').split(':', 1) : [];
  try {
    return name === undefined ? undefined : decodeURIComponent(name);
  } catch {
    return undefined;
  }
}
