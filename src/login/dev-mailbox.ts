import type { Middleware } from 'koa';
import { normaliseAddress } from '../http/addresses.ts';
import { pageRouter, servePages } from '../http/page-router.ts';
import { showCommonPage, type View } from '../http/view.ts';
import type { Mailbox } from '../infra/mailbox.ts';

/**
 * `/dev/mailbox` and `/dev/mailbox.json`: what would have been sent. Mounted only where the issuer is a loopback address and no mail server
 * is set, never in production; and even there it exists for loopback peers only, by the connection and not by what a header says.
 */
export function devMailbox({ mailbox, view }: { mailbox: Mailbox; view: View }): Middleware {
  const router = pageRouter()
    .get('/dev/mailbox.json', async (ctx) => {
      ctx.set('cache-control', 'no-store');
      ctx.type = 'application/json';
      ctx.body = JSON.stringify(await mailbox.list());
    })
    .get('/dev/mailbox', async (ctx) => {
      const messages = (await mailbox.list()).map(({ channel, to, subject, text, html, at }) => ({
        channel,
        to,
        subject: subject ?? undefined,
        text,
        html: html ?? undefined,
        at: new Date(at),
      }));
      showCommonPage(ctx, view, 'dev-mailbox', { messages });
    });
  const serve = servePages(router);
  return (ctx, next) => (isLoopback(ctx.req.socket.remoteAddress) ? serve(ctx, next) : next());
}

function isLoopback(peer: string | undefined): boolean {
  const address = normaliseAddress(peer ?? '');
  return address === '::1' || (address?.startsWith('127.') ?? false);
}
