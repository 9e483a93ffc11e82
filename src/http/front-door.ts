import type { Middleware } from 'koa';

/** Who opens the bare address of an issuer is a person: they are led to `target`. */
export const frontDoor = (target: string): Middleware => {
  return async (ctx, next) => {
    if (ctx.path !== '/' || (ctx.method !== 'GET' && ctx.method !== 'HEAD')) return next();
    ctx.status = 303;
    ctx.set('cache-control', 'no-store');
    ctx.redirect(target);
  };
};
