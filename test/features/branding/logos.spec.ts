import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { contrast } from '#src/http/theme.ts';
import { type Reply, type RunningApp, startTestApp } from '#test/support/app.ts';
import { formOf, submit } from '#test/support/person.ts';
import { jpegOf, pngOf, webpOf } from '#test/support/pictures.ts';
import { type Settled, settle } from '#test/support/two-tenants.ts';

const CSP = /^default-src 'none'; .*sandbox/;

describe('logos and colours', function () {
  this.timeout(120_000);
  let app: RunningApp;
  let a: Settled;
  let b: Settled;

  before(async () => {
    app = await startTestApp();
    a = await settle(app, 'a');
    b = await settle(app, 'b');
  });
  after(() => app.close());

  const by = (who: Settled): Record<string, string> => ({ authorization: `Bearer ${who.token}` });
  const upload = async (
    path: string,
    picture: Buffer,
    { who = a, type = 'image/png', ...headers }: { who?: Settled; type?: string; [header: string]: string | Settled | undefined } = {},
  ): Promise<Reply> => {
    const response = await fetch(app.issuer + path, {
      method: 'PUT',
      headers: { ...by(who), 'content-type': type, ...(headers as Record<string, string>) },
      body: new Uint8Array(picture),
    });
    const text = await response.text();
    return { status: response.status, headers: response.headers, text, body: JSON.parse(text) as Record<string, unknown> };
  };
  const logo = (who: Settled): string => `/api/tenants/${who.tenantId}/logo`;
  const clientLogo = (who: Settled): string => `/api/clients/${who.ids['clients']}/logo`;

  /** The sign-in page on the way to the tenant's application. */
  async function signInPage(who: Settled, more: Record<string, string> = {}) {
    const browser = app.browser();
    const { page } = await browser.go(
      `/auth?${new URLSearchParams({
        client_id: who.ids['clients']!,
        redirect_uri: `https://${who.mark}.example/cb`,
        response_type: 'code',
        scope: 'openid',
        code_challenge: createHash('sha256').update(randomBytes(8)).digest('base64url'),
        code_challenge_method: 'S256',
        ...more,
      })}`,
    );
    assert.ok(page, 'no page was shown');
    return { browser, page };
  }
  const imagesOf = (html: string): string[] => [...html.matchAll(/<img[^>]*\ssrc="([^"]*)"/g)].map((match) => match[1]!);

  it('are uploaded, read, replaced under a new address and removed, each change recorded once', async () => {
    assert.equal((await app.api('GET', logo(a), undefined, by(a))).status, 404);
    const made = await upload(logo(a), pngOf(320, 80));
    assert.equal(made.status, 200, made.text);
    assert.deepEqual([made.body['type'], made.body['width'], made.body['height']], ['image/png', 320, 80]);
    const first = String(made.body['url']);
    const served = await fetch(app.issuer + first);
    assert.deepEqual(Buffer.from(await served.arrayBuffer()), pngOf(320, 80));
    assert.equal(served.headers.get('content-type'), 'image/png');
    assert.equal(served.headers.get('x-content-type-options'), 'nosniff');
    assert.match(served.headers.get('cache-control') ?? '', /immutable/);
    assert.match(served.headers.get('content-security-policy') ?? '', CSP);

    const stale = await upload(logo(a), jpegOf(10, 10), { type: 'image/jpeg', 'if-match': '"something-else"' });
    assert.equal(stale.status, 412, stale.text);
    const replaced = await upload(logo(a), jpegOf(10, 10), { type: 'image/jpeg', 'if-match': made.headers.get('etag')! });
    assert.equal(replaced.status, 200, replaced.text);
    assert.notEqual(replaced.body['url'], first);
    assert.deepEqual((await app.api('GET', logo(a), undefined, by(a))).body, replaced.body);

    const gone = await app.api('DELETE', logo(a), undefined, by(a));
    assert.deepEqual([gone.status, gone.body], [200, { id: a.tenantId, deleted: true }]);
    assert.equal((await app.api('DELETE', logo(a), undefined, by(a))).status, 404);
    assert.equal((await fetch(app.issuer + String(replaced.body['url']))).status, 404);
    const events = (await app.api('GET', '/api/audit-events?type=logo.changed', undefined, by(a))).body['items'] as unknown[];
    assert.equal(events.length, 2);
    const removals = (await app.api('GET', '/api/audit-events?type=logo.removed', undefined, by(a))).body['items'] as unknown[];
    assert.equal(removals.length, 1);
  });

  it('are refused where they are no picture, another one than declared, too large, or of a type that carries scripts', async () => {
    const before = await app.api('GET', logo(a), undefined, by(a));
    const svg = Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>');
    const page = Buffer.from('<!doctype html><script>alert(1)</script>');
    const tries: [string, Buffer, string, number][] = [
      ['an SVG', svg, 'image/svg+xml', 415],
      ['an SVG as PNG', svg, 'image/png', 422],
      ['a page as PNG', page, 'image/png', 422],
      ['a PNG with a page behind it', Buffer.concat([pngOf(4, 4), page]), 'image/png', 422],
      ['a JPEG as PNG', jpegOf(4, 4), 'image/png', 422],
      ['a PNG as HTML', pngOf(4, 4), 'text/html', 415],
      ['too many pixels', pngOf(2049, 4), 'image/png', 422],
      ['too many pixels in a WebP', webpOf('VP8X', 4, 3000), 'image/webp', 422],
      ['nothing', Buffer.alloc(0), 'image/png', 422],
      ['too many bytes', Buffer.concat([pngOf(4, 4), Buffer.alloc(262_144)]), 'image/png', 413],
    ];
    for (const [name, bytes, type, status] of tries) {
      const answer = await upload(logo(a), bytes, { type });
      assert.equal(answer.status, status, `${name}: ${answer.text}`);
      assert.match(answer.headers.get('content-type') ?? '', /problem\+json/);
    }
    assert.equal((await app.api('GET', logo(a), undefined, by(a))).status, before.status);
  });

  it('of one tenant and its applications are nobody else’s to set, see or remove', async () => {
    assert.equal((await upload(clientLogo(b), pngOf(5, 5), { who: b })).status, 200);
    for (const path of [logo(b), clientLogo(b)]) {
      assert.equal((await upload(path, pngOf(6, 6))).status, 404, path);
      assert.equal((await app.api('GET', path, undefined, by(a))).status, 404, path);
      assert.equal((await app.api('DELETE', path, undefined, by(a))).status, 404, path);
    }
    assert.deepEqual((await app.api('GET', clientLogo(b), undefined, by(b))).body['width'], 5);
  });

  it('stand on the sign-in page of the tenant’s application, and nowhere else; a new one at once', async () => {
    const png = await upload(logo(a), pngOf(200, 50));
    const settings = { branding: { displayName: 'Äpfel & <b>Söhne</b>', primaryColor: '#ffd600' } };
    assert.equal((await app.api('PATCH', `/api/tenants/${a.tenantId}`, { settings }, by(a))).status, 200);
    const { page } = await signInPage(a);
    assert.deepEqual(imagesOf(page.text), [png.body['url']]);
    assert.match(page.text, /alt="Äpfel &amp; &lt;b&gt;Söhne&lt;\/b&gt;"/);
    assert.match(page.text, /<link rel="stylesheet" href="\/assets\/theme-ffd600-[0-9a-f]{8}\.css">/);
    const other = (await signInPage(b)).page.text;
    assert.ok(!other.includes('theme-') && !other.includes(String(png.body['url'])) && !other.includes('Söhne'));
    assert.ok(other.includes(b.mark), 'a tenant without branding is called by its name');

    const second = await upload(logo(a), pngOf(100, 50));
    assert.deepEqual(imagesOf((await signInPage(a)).page.text), [second.body['url']]);
  });

  it('take the colour of the application before the tenant’s, with what is read on it legible', async () => {
    const patch = (brand_color: unknown): Promise<Reply> => app.api('PATCH', `/api/clients/${a.ids['clients']}`, { brand_color }, by(a));
    assert.equal((await patch('#123456')).body['brand_color'], '#123456');
    const { page } = await signInPage(a);
    const url = /\/assets\/theme-123456-[0-9a-f]{8}\.css/.exec(page.text)?.[0];
    assert.ok(url, page.text);
    const css = await fetch(app.issuer + url);
    assert.equal(css.headers.get('content-type'), 'text/css; charset=utf-8');
    assert.match(css.headers.get('cache-control') ?? '', /immutable/);
    const [, accent, onAccent] = /--accent:(#\w{6});--accent-strong:#\w{6};--on-accent:(#\w{6})/.exec(await css.text()) ?? [];
    assert.ok(contrast(accent!, onAccent!) >= 4.5);
    for (const bad of ['red', '#12345', '#123456;}', 'url(https://evil.example)']) assert.equal((await patch(bad)).status, 422, bad);
    assert.equal((await patch(null)).status, 200);
  });

  it('never come from elsewhere: a registered logo_uri is loaded by no page', async () => {
    const patch = { logo_uri: 'https://tracker.example/logo.png', client_name: '<img src=x onerror=alert(1)>' };
    assert.equal((await app.api('PATCH', `/api/clients/${a.ids['clients']}`, patch, by(a))).status, 200);
    const { browser, page } = await signInPage(a, { prompt: 'consent' });
    assert.doesNotMatch(page.text, /tracker|<img src=x/);
    const login = { login: a.owner.login, password: a.owner.password };
    const consent = (await submit(browser, page, login)).page!;
    assert.ok(
      formOf(consent).buttons.some(({ value }) => value === 'allow'),
      consent.text,
    );
    assert.doesNotMatch(consent.text, /tracker|<img src=x/);
    for (const image of imagesOf(consent.text)) assert.match(image, /^\/assets\/images\//);
    const own = await upload(clientLogo(a), webpOf('VP8L', 40, 40), { type: 'image/webp' });
    assert.equal(own.status, 200, own.text);
    const again = await signInPage(a, { prompt: 'consent' });
    const shown = (await submit(again.browser, again.page, login)).page!;
    assert.ok(imagesOf(shown.text).includes(String(own.body['url'])), shown.text);
  });

  // K14: what a tenant says of itself is shown as text or not at all, whatever it is.
  it('let a tenant put nothing into pages: no markup, no style, no address, no header', async () => {
    const hostile = [
      '</title><script>alert(1)</script>',
      '"><style>*{display:none}</style>',
      "'-alert(1)-'",
      'x\u202etxt.exe',
      '{{7*7}}<%= 1 %>',
    ];
    for (const displayName of hostile) {
      const set = await app.api('PATCH', `/api/tenants/${a.tenantId}`, { settings: { branding: { displayName } } }, by(a));
      assert.equal(set.status, 200, set.text);
      const { page } = await signInPage(a);
      assert.equal((page.text.match(/<script/g) ?? []).length, 1);
      assert.doesNotMatch(page.text, /<style|<[a-z][^>]*\s(style|on[a-z]+)=|<%/);
      assert.ok(!displayName.includes('7*7') || page.text.includes('{{7*7}}'), 'what is between braces is text');
      assert.doesNotMatch(page.headers.get('content-security-policy') ?? '', /unsafe|\*|data: .*script/);
    }
    for (const branding of [
      { displayName: 'two\nlines' },
      { displayName: '' },
      { displayName: ' ' },
      { primaryColor: '#000000;}body{display:none' },
      { logoUri: 'https://tracker.example/x.png' },
      { css: 'body{}' },
    ])
      assert.equal(
        (await app.api('PATCH', `/api/tenants/${a.tenantId}`, { settings: { branding } }, by(a))).status,
        422,
        JSON.stringify(branding),
      );
  });

  it('are 404 for an id that is none, and cost nothing for other methods', async () => {
    for (const path of [
      '/assets/images/',
      '/assets/images/../app.css',
      '/assets/images/00000000-0000-4000-8000-000000000000',
      '/assets/images/x',
    ])
      assert.equal((await fetch(app.issuer + path)).status, 404, path);
    assert.equal((await fetch(`${app.issuer}/assets/images/x`, { method: 'POST' })).status, 405);
  });

  it('speak the language that was asked for, and discovery says which there are', async () => {
    const found = (await (await fetch(`${app.issuer}/.well-known/openid-configuration`)).json()) as { ui_locales_supported: string[] };
    assert.deepEqual(found.ui_locales_supported, ['en', 'de', 'fr']);
    const { page } = await signInPage(b, { ui_locales: 'fr-CA de' });
    assert.match(page.text, /<html lang="fr">/);
    assert.match(page.text, /Se connecter/);
  });
});
