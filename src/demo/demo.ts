import type { Router } from '@koa/router';
import type { Context, Middleware } from 'koa';
import type { Clock } from '../core/clock.ts';
import { newSecret } from '../core/ids.ts';
import type { Note } from '../core/messages/catalogue.ts';
import type { Csrf } from '../http/csrf.ts';
import { pageRouter, servePages } from '../http/page-router.ts';
import { readForm } from '../http/read-body.ts';
import { showCommonPage, type View } from '../http/view.ts';
import { DEMO_APPS, type DemoApp } from './apps.ts';
import { describeSignedIn, nameOf } from './describe.ts';
import { type Claims, createRelyingParty, type RelyingParty } from './relying-party.ts';
import { FLOW, type Sealer, SIGNED_IN, type SignedIn, sealedCookie } from './session.ts';

export interface DemoDeps {
  /** The base issuer, on a loopback host: elsewhere the demo is not mounted. */
  issuer: string;
  box: Sealer;
  csrf: Csrf;
  view: View;
  clock: Clock;
}

const FLOW_SECONDS = 600;
const SESSION_SECONDS = 28_800;

/** Koa middleware for `/demo` and what is below it: two small relying parties that sign in here. Passes on every other path. */
export function createDemo(deps: DemoDeps): Middleware {
  const router = pageRouter();
  DEMO_APPS.forEach((app, index) => {
    addSteps(router, deps, app, DEMO_APPS[1 - index] ?? app);
  });
  return servePages(router);
}

function addSteps(router: Router, deps: DemoDeps, app: DemoApp, other: DemoApp): void {
  const { issuer, csrf, view } = deps;
  const party: RelyingParty = createRelyingParty(issuer, app);
  const cookie = { path: app.path, secure: issuer.startsWith('https:') };
  const flows = sealedCookie(deps, FLOW, { ...cookie, name: `${app.clientId}.flow`, maxAgeSeconds: FLOW_SECONDS });
  const sessions = sealedCookie(deps, SIGNED_IN, { ...cookie, name: app.clientId, maxAgeSeconds: SESSION_SECONDS });

  const show = (ctx: Context, page: { session?: SignedIn; userinfo?: Claims; alert?: Note; notice?: Note; status?: number }): void => {
    const { session, userinfo, alert, notice, status } = page;
    showCommonPage(
      ctx,
      view,
      'demo',
      {
        app: app.title,
        other: { url: other.path, title: other.title },
        signInUrl: `${app.path}/sign-in`,
        signOutUrl: `${app.path}/sign-out`,
        refreshUrl: `${app.path}/renew`,
        userinfoUrl: `${app.path}/userinfo`,
        alert,
        notice,
        ...(session ? { csrf: csrf.token(session.id), signedIn: describeSignedIn(session, userinfo) } : {}),
      },
      { status },
    );
  };

  const ended = (ctx: Context): void => {
    sessions.clear(ctx);
    show(ctx, { notice: 'demo.ended' });
  };

  /** The session whose form this is; undefined where it has ended. Throws 403 where another site posts. */
  const posted = async (ctx: Context): Promise<SignedIn | undefined> => {
    const form = await readForm(ctx.req);
    const session = sessions.read(ctx);
    if (session) csrf.check(session.id, form['_csrf'], ctx.req.headers, issuer);
    return session;
  };

  const renew = async (ctx: Context, session: SignedIn): Promise<SignedIn | undefined> => {
    const tokens = await party.renew(session);
    if (!tokens) return undefined;
    const renewed = { ...session, ...tokens };
    sessions.write(ctx, renewed);
    return renewed;
  };

  const leave = (ctx: Context, url: string): void => {
    ctx.status = 303;
    ctx.set('cache-control', 'no-store');
    ctx.redirect(url);
  };

  router
    .get(app.path, async (ctx) => {
      const session = sessions.read(ctx);
      show(ctx, session ? { session } : {});
    })
    .get(`${app.path}/sign-in`, async (ctx) => {
      const { url, flow } = await party.begin();
      flows.write(ctx, flow);
      leave(ctx, url);
    })
    .get(`${app.path}/callback`, async (ctx) => {
      const flow = flows.read(ctx);
      const callback = new URL(ctx.url, issuer);
      // Not the browser that began, or a page that was left open: nobody is signed in by an answer they did not ask for.
      if (!flow || callback.searchParams.get('state') !== flow.state) return show(ctx, { alert: 'demo.expired', status: 400 });
      flows.clear(ctx);
      const result = await party.finish(callback, flow);
      if ('refused' in result) return show(ctx, { alert: { key: 'demo.refused', values: { error: result.refused } } });
      const userinfo = await party.userinfo(result);
      if (!userinfo) return show(ctx, { alert: 'demo.expired', status: 400 });
      sessions.write(ctx, { ...result, id: newSecret(), name: nameOf(userinfo).slice(0, 100) });
      leave(ctx, `${issuer}${app.path}`);
    })
    .get(`${app.path}/userinfo`, async (ctx) => {
      const session = sessions.read(ctx);
      if (!session) return leave(ctx, `${issuer}${app.path}`);
      const userinfo = await party.userinfo(session);
      if (userinfo) return show(ctx, { session, userinfo });
      // Access tokens live for minutes: one that has expired says nothing about the session yet.
      const renewed = await renew(ctx, session);
      const second = renewed && (await party.userinfo(renewed));
      if (second) show(ctx, { session: renewed, userinfo: second });
      else ended(ctx);
    })
    .post(`${app.path}/renew`, async (ctx) => {
      const session = await posted(ctx);
      const renewed = session && (await renew(ctx, session));
      if (renewed) show(ctx, { session: renewed, notice: 'demo.renewed' });
      else ended(ctx);
    })
    .post(`${app.path}/sign-out`, async (ctx) => {
      const session = await posted(ctx);
      if (!session) return ended(ctx);
      const url = await party.signOutUrl(session);
      sessions.clear(ctx);
      leave(ctx, url);
    });
}
