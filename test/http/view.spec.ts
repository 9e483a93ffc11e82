import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, get, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import Koa from 'koa';
import { ACCOUNT_VIEWS } from '#src/account/views/pages.ts';
import { assets, assetUrl } from '#src/http/assets.ts';
import { createView, pageCsp, renderPage } from '#src/http/view.ts';
import { LOGIN_VIEWS } from '#src/login/views/pages.ts';
import { HOSTILE, NOW, samplePages } from '#test/support/pages.ts';

const view = createView({ clock: { now: () => NOW }, folders: [LOGIN_VIEWS, ACCOUNT_VIEWS] });
const page = (name: string, who?: string): string => {
  const sample = samplePages(who)[name];
  assert.ok(sample, `no sample is named ${name}`);
  return view.render(sample.name, sample.data);
};
const count = (html: string, pattern: RegExp): number => [...html.matchAll(pattern)].length;
/** By way of node:http, since `fetch` asks past every cache as soon as it is given an `If-None-Match`. */
const statusFor = (url: string, etag: string): Promise<number | undefined> =>
  new Promise((resolve, reject) => {
    get(url, { headers: { 'if-none-match': etag } }, (answer) => resolve(answer.resume().statusCode)).on('error', reject);
  });
const everyPage = Object.keys(samplePages());

describe('pages', () => {
  for (const name of everyPage) {
    it(`${name}: shows a stranger's text as text, with nothing inline and no gap`, () => {
      const html = page(name, HOSTILE);
      assert.ok(!html.includes('<img src=x'), 'markup of a stranger came through');
      assert.equal(count(html, /<script/g), 1);
      assert.match(html, /<script src="\/assets\/app-[0-9a-f]{16}\.js" defer><\/script>/);
      assert.doesNotMatch(html, /<style|\sstyle=|\son[a-z]+="|javascript:/);
      const visible = html.replace(/<[^>]*>/g, ' ');
      assert.doesNotMatch(visible, /\bundefined\b|\bnull\b|\[object|NaN|\{\w+\}/);
      assert.match(html, /^<!doctype html>\n<html lang="en">/);
      assert.equal(count(html, /<h1/g), 1);
      assert.equal(count(html, /<main/g), 1);
    });

    it(`${name}: has at most one main button, unique ids, and a label and autocomplete for each field`, () => {
      const html = page(name);
      assert.ok(count(html, /<button[^>]*type="submit"/g) <= 1);
      const ids = [...html.matchAll(/\sid="([^"]*)"/g)].map((match) => match[1]);
      assert.equal(new Set(ids).size, ids.length);
      for (const [input] of html.matchAll(/<input[^>]*>/g)) {
        if (/type="hidden"| hidden>/.test(input)) continue;
        if (/type="radio"/.test(input)) {
          assert.ok(html.includes(`<label class="choice">${input}`), `${input} has no label`);
          continue;
        }
        if (/type="checkbox"/.test(input)) {
          const id = /\sid="([^"]+)"/.exec(input)?.[1];
          assert.ok(id && new RegExp(`<label[^>]* for="${id}"`).test(html), `${input} has no label`);
          continue;
        }
        const field = /name="([a-z_]+)"/.exec(input)?.[1];
        assert.ok(field && html.includes(`<label for="${field}">`), `${field} has no label`);
        assert.match(input, /autocomplete="[a-z -]+"/);
        assert.doesNotMatch(input, /placeholder/);
      }
      if (html.includes('<form')) assert.equal(count(html, /name="_csrf" value="token"/g), count(html, /<form/g));
    });
  }

  it('carry the field and button names relying tests fill in', () => {
    const names: Record<string, string[]> = {
      login: ['name="login"', 'name="password"'],
      'login-methods': ['name="method" value="passkey"', 'name="method" value="email-otp"', 'name="decision" value="deny"'],
      register: ['name="email"', 'name="given_name"', 'name="family_name"', 'name="new_password"'],
      'verify-email': ['name="code"', 'name="decision" value="resend"', 'inputmode="numeric"', 'autocomplete="one-time-code"'],
      'reset-request': ['name="email"'],
      'reset-code': ['name="code"', 'name="new_password"'],
      'change-password': ['name="new_password"'],
      tenant: ['name="tenant" value="two"', 'name="decision" value="deny"'],
      consent: ['name="decision" value="allow"', 'name="decision" value="deny"'],
      account: ['name="decision" value="end:two"', 'name="decision" value="end-others"', 'name="decision" value="withdraw:notes"'],
      'account-password': ['name="password"', 'name="new_password"'],
    };
    for (const [name, expected] of Object.entries(names)) {
      for (const part of expected) assert.ok(page(name).includes(part), `${name} lacks ${part}`);
    }
    assert.ok(!page('account').includes('end:one'), 'this device is ended by signing out');
  });

  it('say what went wrong in role=alert, keep what was typed and never a password', () => {
    const refused = page('login-refused', 'ada@example.com');
    assert.match(refused, /role="alert"[^>]*><p>The name or password is not right/);
    assert.match(refused, /name="login"[^>]*\svalue="ada@example.com"/s);
    assert.match(refused, /<title>Error: Sign in/);
    for (const name of everyPage) assert.doesNotMatch(page(name), /<input[^>]*type="password"[^>]*\svalue=/);
  });

  it('put a refusal beside its field and tie both together', () => {
    const html = page('register-refused');
    assert.match(html, /role="alert"[\s\S]*href="#email"[\s\S]*href="#new_password"/);
    assert.match(html, /name="email"[^>]*aria-describedby="email-error"[^>]*aria-invalid="true"/);
    assert.match(html, /id="new_password-error">This password is too short. Use at least 10 characters./);
  });

  it('shows a client picture only from here, since the policy would block another', () => {
    const shown = (logoUri: string): string =>
      view.render('consent', { ...samplePages()['consent']!.data, client: { name: 'Notes', logoUri } });
    assert.match(shown('/logos/1'), /<img class="mark" src="\/logos\/1"/);
    assert.doesNotMatch(shown('https://elsewhere.example/logo.png'), /elsewhere/);
    assert.doesNotMatch(shown('//elsewhere.example/logo.png'), /elsewhere/);
  });

  it('refuses a name no template has', () => {
    assert.throws(() => view.render('../../package', {}), /No template/);
  });
});

describe('the content security policy of a page', () => {
  it('allows forms to end at the origin or the scheme of a redirect URI, and nothing that could widen it', () => {
    const csp = pageCsp(['https://app.example/cb?x=1', 'com.example.app:/cb', 'http://127.0.0.1:4000/cb', 'http://[::1]:9/cb']);
    assert.match(csp, /form-action 'self' https:\/\/app\.example com\.example\.app: http:\/\/127\.0\.0\.1:4000 http:\/\/\[::1\]:9;/);
    for (const bad of [
      'https://a;script-src/',
      "https://a'*/",
      'javascript:alert(1)',
      'data:text/html,x',
      '*',
      '',
      'https://a b/',
      'https://*.example/',
    ]) {
      assert.match(pageCsp([bad]), /form-action 'self';/, bad);
    }
  });
});

describe('pages and assets over HTTP', () => {
  let server: Server;
  let base: string;

  before(async () => {
    const app = new Koa();
    app.use(assets());
    app.use((ctx) => renderPage(ctx, view, 'error', {}, { status: 404, formAction: ['https://app.example/cb'] }));
    server = createServer(app.callback()).listen(0, '127.0.0.1');
    await once(server, 'listening');
    base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  after(() => server.close());

  it('answers a page with its status, its policy, as HTML, never stored', async () => {
    const answer = await fetch(`${base}/x`);
    assert.equal(answer.status, 404);
    assert.equal(answer.headers.get('content-type'), 'text/html; charset=utf-8');
    assert.equal(answer.headers.get('cache-control'), 'no-store');
    assert.equal(answer.headers.get('content-security-policy'), pageCsp(['https://app.example']));
    assert.match(await answer.text(), /Something went wrong/);
  });

  it('keeps what its address names for a year, and answers 304 to whoever has it', async () => {
    for (const [name, type] of [
      ['app.css', 'text/css; charset=utf-8'],
      ['app.js', 'text/javascript; charset=utf-8'],
      ['logo.svg', 'image/svg+xml'],
    ] as const) {
      const answer = await fetch(base + assetUrl(name));
      assert.equal(answer.status, 200);
      assert.equal(answer.headers.get('content-type'), type);
      assert.equal(answer.headers.get('x-content-type-options'), 'nosniff');
      assert.equal(answer.headers.get('cache-control'), 'public, max-age=31536000, immutable');
      assert.ok((await answer.arrayBuffer()).byteLength > 100);
      assert.equal(await statusFor(base + assetUrl(name), answer.headers.get('etag') ?? ''), 304);
      assert.equal(await statusFor(base + assetUrl(name), '"another"'), 200);
    }
  });

  it('gives the present style to a page of another release without keeping it', async () => {
    const answer = await fetch(`${base}/assets/app-0123456789abcdef.css`);
    assert.equal(answer.status, 200);
    assert.equal(answer.headers.get('cache-control'), 'no-cache');
    await answer.body?.cancel();
  });

  it('knows no other file, and no other method', async () => {
    for (const path of ['/assets/', '/assets/app.css', '/assets/..%2fview.ts', '/assets/nothing-0123456789abcdef.css']) {
      const answer = await fetch(base + path);
      assert.equal(answer.status, 404, path);
      await answer.body?.cancel();
    }
    const posted = await fetch(base + assetUrl('app.js'), { method: 'POST' });
    assert.equal(posted.status, 405);
    assert.equal(posted.headers.get('allow'), 'GET, HEAD');
  });

  it('stays below 50 kB for a first visit', async () => {
    const sizes = await Promise.all(
      ['/x', assetUrl('app.css'), assetUrl('app.js'), assetUrl('logo.svg')].map(
        async (path) => (await (await fetch(base + path)).arrayBuffer()).byteLength,
      ),
    );
    assert.ok(sizes.reduce((sum, size) => sum + size) < 50_000);
    assert.ok(sizes[1]! < 20_000);
  });
});
