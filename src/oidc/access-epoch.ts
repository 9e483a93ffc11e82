/**
 * How often a person's access was ended when a sign-in was judged. It goes with the sign-in to the statement that writes its session, which
 * writes nothing where access was ended meanwhile.
 */
import { type KoaContextWithOIDC, Provider } from 'oidc-provider';

const known = new WeakMap<object, number>();

/** Of a sign-in that this request is the whole of. */
export const knowEpoch = (ctx: object, epoch: number): void => void known.set(ctx, epoch);

/** Undefined where the running request signs nobody in. */
export function epochNow(): number | undefined {
  const { ctx } = Provider;
  return ctx && (known.get(ctx) ?? finishedAt(ctx));
}

/** As the interaction's result brought it along. */
function finishedAt(ctx: KoaContextWithOIDC): number | undefined {
  const login: unknown = ctx.oidc?.result?.login;
  return typeof login === 'object' && login !== null && 'epoch' in login && typeof login.epoch === 'number' ? login.epoch : undefined;
}
