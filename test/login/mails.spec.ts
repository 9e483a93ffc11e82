import assert from 'node:assert/strict';
import { LOCALES, message } from '#src/core/messages/catalogue.ts';
import { formatInstant } from '#src/core/messages/time.ts';
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
  'new-device': { cause, issuer, accountUrl: `${issuer}/account` },
  'account-locked': { cause, issuer, resetUrl },
  'account-exists': { cause, issuer, resetUrl, signInUrl: `${issuer}/account` },
  'factor-changed': { cause, issuer, what: 'code_used', left: 2, accountUrl: `${issuer}/account/security` },
  'account-news': { cause, issuer, news: 'email_changed' },
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
    it(`${name}: tells the same in HTML and in text in every language, names product, cause and what to do, and loads nothing`, () => {
      for (const locale of LOCALES) check(name, locale);
    });
  }

  function check(name: keyof Mails, locale: string): void {
    const mail = renderMail(name, locale, data[name]);
    const words = decode(
      mail.html
        .replace(/<(style|title)>[\s\S]*?<\/\1>/g, '')
        .replace(/<a [^>]*href="([^"]*)"[^>]*>/g, ' $1 ')
        .replace(/<[^>]*>/g, ' '),
    ).replace(/\s+/g, ' ');
    for (const line of mail.text
      .split('\n')
      .map((text) => text.replace(/\s+/g, ' ').trim())
      .filter((text) => text && text !== '--')) {
      assert.ok(words.includes(line), `the HTML lacks: ${line}`);
    }
    assert.match(mail.subject, /Gatehouse/);
    const values = {
      at: formatInstant(locale, NOW),
      address: '192.0.2.7',
      device: message(locale, 'account.device', { browser: 'Firefox', system: 'Windows' }),
    };
    if (name === 'invitation') assert.ok(mail.text.includes(message(locale, 'mail.invitation.until', { until: values.at })));
    else
      assert.ok(
        ['mail.asked', 'mail.happened'].some((key) => mail.text.includes(message(locale, key as 'mail.asked', values))),
        mail.text,
      );
    assert.ok(mail.html.startsWith(`<!doctype html>\n<html lang="${locale}">`));
    assert.match(mail.text, /id\.example\.com/);
    assert.doesNotMatch(mail.text + mail.html, /undefined|\[object|\{\w+\}/);
    assert.doesNotMatch(mail.html, /<img|<script|<link|url\(|@import/);
  }

  it('puts a code first in the subject and alone on a line', () => {
    for (const name of ['verify-email', 'password-reset'] as const) {
      const mail = renderMail(name, 'en', data[name]);
      assert.match(mail.subject, /^483920 /);
      assert.match(mail.text, /\n\n483920\n\n/);
    }
    assert.match(renderMail('password-reset', 'en', data['password-reset']).text, /works for one minute/);
  });

  it('puts the tenant’s name where the installation’s would stand', () => {
    for (const name of NAMES) {
      const mail = renderMail(name, 'en', { ...data[name], brand: 'Äpfel & Söhne' } as never);
      assert.match(mail.text, /Äpfel & Söhne/);
      assert.match(mail.html, /Äpfel &amp; Söhne/);
      assert.doesNotMatch(mail.subject + mail.html + mail.text, /Gatehouse/);
    }
  });

  const NAMED = ['<a href=//evil.example>click</a>', '<img src=//sink.example/x>', 'Win at https://evil.example/prize', HOSTILE];

  it('K1: shows names that somebody chose as text, and lets no mail program make a link of them', () => {
    for (const name of NAMED) {
      const mails = [
        ...NAMES.map((one) => renderMail(one, 'en', { ...data[one], brand: name } as never)),
        renderMail('invitation', 'en', { ...data.invitation, tenant: name, inviter: name }),
      ];
      for (const mail of mails) {
        assert.doesNotMatch(mail.html, /<img|<script|<a href=\/\/|<\/title><\/script>/);
        for (const text of [mail.text, mail.html, mail.subject]) assert.doesNotMatch(text, /evil\.example|sink\.example|\/\/(evil|sink)/);
        for (const [, href] of mail.html.matchAll(/href="([^"]*)"/g)) assert.ok(decode(href!).startsWith(`${issuer}/`), href);
      }
    }
  });

  it('K9: keeps the subject one line and adds no header, whatever names, addresses and programs are called', () => {
    for (const ending of ['\r\n', '\n', '\r', '\u2028', '\u0085', '\u0000']) {
      const evil = `Ada${ending}Bcc: eve@evil.example${ending}${ending}<p>body</p>`;
      const mails = [
        ...NAMES.map((one) =>
          renderMail(one, 'de', {
            ...data[one],
            brand: evil,
            ...('cause' in data[one] ? { cause: { at: NOW, address: evil, device: evil } } : {}),
          } as never),
        ),
        renderMail('invitation', 'de', { ...data.invitation, tenant: evil, inviter: evil }),
      ];
      for (const { subject, html, text } of mails) {
        assert.doesNotMatch(subject, /[\p{Cc}\u2028\u2029]/u);
        assert.doesNotMatch(text, /^Bcc:/m);
        assert.doesNotMatch(html, /<p>body/);
      }
    }
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
