/**
 * The library answers some requests with a form that posts itself: `response_mode=form_post`, a sign-out where nobody is signed in, a change of
 * person. Our content security policy allows no script and no form, so these pages get one of their own, for exactly this script and these targets.
 */
import { createHash } from 'node:crypto';
import type { Context } from 'koa';
import { errors, type KoaContextWithOIDC, type Provider } from 'oidc-provider';
import { isForeign } from '../http/csrf.ts';

const CONFIRM = '/session/end/confirm';
const SCRIPT = /<script>([^<]*)<\/script>/;
const FORM = /<form method="post" action="([^"]+)">/;

/** Registers the middleware; outside everything that may answer with such a form. */
export function useFormPages(provider: Provider): void {
  provider.use(async (ctx, next) => {
    // The library looks at the hidden field alone.
    if (ctx.method === 'POST' && ctx.path === CONFIRM && isForeign(ctx.req.headers, provider.issuer))
      throw new errors.InvalidRequest('another site sent this form');
    await next();
    if (!ctx.response.is('html') || typeof ctx.body !== 'string') return;
    const script = SCRIPT.exec(ctx.body)?.[1];
    const action = FORM.exec(ctx.body)?.[1];
    if (script === undefined || action === undefined) return;
    ctx.set(
      'content-security-policy',
      [
        `default-src 'none'`,
        `script-src 'sha256-${createHash('sha256').update(script).digest('base64')}'`,
        `form-action ${[...new Set(["'self'", ...targets(ctx, action)])].join(' ')}`,
        `base-uri 'none'`,
        `frame-ancestors 'none'`,
      ].join('; '),
    );
  });
}

/** Where the form posts to, and where its answer may redirect to: browsers judge redirects by `form-action` too. */
function targets(ctx: Context, action: string): string[] {
  const { params, entities } = (ctx as unknown as KoaContextWithOIDC).oidc;
  const later = entities.Interaction?.params ?? params ?? {};
  const uris = [action.replaceAll('&amp;', '&'), later['redirect_uri'], later['post_logout_redirect_uri']];
  return uris.flatMap((uri) => {
    const url = typeof uri === 'string' ? URL.parse(uri) : null;
    if (!url) return [];
    return [/^https?:$/.test(url.protocol) ? url.origin : url.protocol];
  });
}
