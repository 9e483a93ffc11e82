import assert from 'node:assert/strict';
import { type Mails, renderMail } from '#src/login/mails/render.ts';
import { HOSTILE, NOW } from '#test/support/pages.ts';

const issuer = 'https://id.example.com';
const cause = { at: NOW, address: '192.0.2.7', device: 'Mozilla/5.0 (Windows NT 10.0; rv:132.0) Gecko/20100101 Firefox/132.0' };
const resetUrl = `${issuer}/login/reset?a=1&b=2`;
const data: Mails = {
  'verify-email': { cause, issuer, code: '483920', minutes: 10 },
  'password-reset': { cause, issuer, code: '483920', minutes: 1, url: resetUrl },
  'sign-in-code': { cause, issuer, code: '483920', minutes: 10, url: `${issuer}/login/one/link?code=483920` },
  'password-changed': { cause, issuer, resetUrl },
  'account-exists': { cause, issuer, resetUrl, signInUrl: `${issuer}/account` },
  invitation: { issuer, tenant: 'Acme', inviter: 'Ada Lovelace', url: `${issuer}/account/invitations/secret`, until: NOW },
};
const NAMES = Object.keys(data) as (keyof Mails)[];
const decode = (html: string): string =>
  html
    .replace(/&amp;/g, '&')
    .replace(/&lt;/g, '<')
    .replace(/&gt;/g, '>')
    .replace(/&quot;/g, '"')
    .replace(/&#39;/g, "'");

describe('mails', () => {
  for (const name of NAMES) {
    it(`${name}: tells the same in HTML and in text, names product, cause and what to do, and loads nothing`, () => {
      const mail = renderMail(name, 'en', data[name]);
      const words = decode(
        mail.html
          .replace(/<(style|title)>[\s\S]*?<\/\1>/g, '')
          .replace(/<a [^>]*href="([^"]*)"[^>]*>/g, ' $1 ')
          .replace(/<[^>]*>/g, ' '),
      ).replace(/\s+/g, ' ');
      for (const line of mail.text
        .split('\n')
        .map((text) => text.trim())
        .filter((text) => text && text !== '--')) {
        assert.ok(words.includes(line), `the HTML lacks: ${line}`);
      }
      assert.match(mail.subject, /Gatehouse/);
      if (name === 'invitation') assert.match(mail.text, /22 November 2026 at 16:50 UTC, for this address only/);
      else assert.match(mail.text, /22 November 2026 at 16:50 UTC, from 192\.0\.2\.7 \(Firefox on Windows\)/);
      assert.match(mail.text, /id\.example\.com/);
      assert.doesNotMatch(mail.text + mail.html, /undefined|\[object|\{\w+\}/);
      assert.doesNotMatch(mail.html, /<img|<script|<link|url\(|@import/);
    });
  }

  it('puts a code first in the subject and alone on a line', () => {
    for (const name of ['verify-email', 'password-reset'] as const) {
      const mail = renderMail(name, 'en', data[name]);
      assert.match(mail.subject, /^483920 /);
      assert.match(mail.text, /\n\n483920\n\n/);
    }
    assert.match(renderMail('password-reset', 'en', data['password-reset']).text, /works for one minute/);
  });

  it('encodes every value, keeps the subject on one line and tells nothing the sender of a request wrote', () => {
    const mail = renderMail('verify-email', 'en', {
      issuer,
      minutes: 10,
      code: `1\r\nBcc: a@b.example ${HOSTILE}`,
      cause: { at: NOW, address: HOSTILE, device: `Visit evil.example ${HOSTILE}` },
    });
    assert.doesNotMatch(mail.html, /<img|<\/script/);
    assert.doesNotMatch(mail.subject, /[\r\n]/);
    assert.doesNotMatch(mail.html + mail.text, /evil\.example/);
  });

  it('links to web addresses only', () => {
    assert.throws(() => renderMail('password-changed', 'en', { cause, issuer, resetUrl: 'javascript:alert(1)' }), /may not link/);
  });
});
