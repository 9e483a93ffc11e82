/** How much one visitor or client may ask of the protocol, good requests included; counted in this process, so that a flood costs no query. */
import type { Context } from 'koa';
import type { Provider } from 'oidc-provider';
import { AppError } from '../core/errors.ts';
import { currentRequest } from '../core/scope.ts';
import { addressKey, type LimitRule, type Limits, RULES } from '../infra/limits.ts';
import { namedBy } from './failure-limits.ts';
import { answerLimited, type OutageDeps } from './outage.ts';

export interface TrafficDeps extends OutageDeps {
  limits: Pick<Limits, 'consume'>;
  /** Counts what was turned away: `limited` by `rule`. It is not audited, or a flood would fill the log. */
  count(name: string, labels: Record<string, string>): void;
}

// What nobody has to authenticate for, and what leaves rows behind.
const OPEN = /^\/(auth|session\/end)(\/|$)|^\/request$/;
const TOKENS = new Set(['/token', '/token/introspection', '/token/revocation', '/me', '/api/sessions/refresh']);

/** Register it behind the limits of failures: whoever invents clients is held by those, and fills no memory here. */
export function useTrafficLimits(provider: Provider, deps: TrafficDeps): void {
  provider.use(async (ctx, next) => {
    const counted = ctx.method === 'OPTIONS' ? undefined : countedFor(ctx);
    if (!counted) return next();
    try {
      await deps.limits.consume(counted.rule, counted.key);
    } catch (error) {
      if (!(error instanceof AppError) || error.status !== 429) throw error;
      deps.count('limited', { rule: counted.rule.name });
      return answerLimited(ctx, deps, error);
    }
    return next();
  });
}

function countedFor(ctx: Context): { rule: LimitRule; key: string } | undefined {
  const address = addressKey(currentRequest.getStore()?.address ?? '');
  if (OPEN.test(ctx.path)) return { rule: RULES.authorizeByAddress, key: address };
  if (!TOKENS.has(ctx.path)) return undefined;
  const client = namedBy(ctx.get('authorization'));
  // At one address only, as with failures: whoever knows a client's name cannot use up what it may ask for.
  return { rule: RULES.tokenByClient, key: client === undefined ? address : `${address} ${client}` };
}
