import assert from 'node:assert/strict';
import {
  CATALOGUES,
  isMessageKey,
  LANGUAGE_NAMES,
  LOCALES,
  type Messages,
  message,
  noteText,
  pickLocale,
} from '#src/core/messages/catalogue.ts';
import { deviceName } from '#src/core/messages/device.ts';
import { formatInstant, formatPassed, formatSeconds } from '#src/core/messages/time.ts';
import { AUTH_EVENT_TYPES } from '#src/features/auth-log/types.ts';

const NOW = new Date('2026-11-22T16:50:00Z');
const passed = (seconds: number): string => formatPassed('en', new Date(NOW.getTime() - seconds * 1000), NOW);

describe('messages', () => {
  it('put values in place once, and never read a value as a pattern', () => {
    assert.equal(message('en', 'login.lead', { client: 'Acme {brand} $& $1' }), 'Continue to Acme {brand} $& $1');
    assert.equal(
      noteText('en', { key: 'password.too_short', values: { min: 10 } }),
      'This password is too short. Use at least 10 characters.',
    );
  });

  it('have words for whatever the log of sign-ins tells a person of', () => {
    const silent = AUTH_EVENT_TYPES.filter((type) => !isMessageKey(`activity.${type}`));
    assert.deepEqual(silent, []);
  });

  it('choose the plural form by count', () => {
    assert.equal(message('en', 'account.others_ended', { count: 1 }), 'One other device has been signed out.');
    assert.equal(message('en', 'account.others_ended', { count: 3 }), '3 other devices have been signed out.');
  });

  it('read as English in a language there are no texts in', () => {
    assert.equal(message('xx', 'login.submit'), 'Sign in');
    assert.equal(message('__proto__', 'login.submit'), 'Sign in');
    for (const wish of ['ja-JP, ko;q=0.9', 'en-GB;q=0.3, xx', '*', '', undefined, ',;q=;;', 'constructor'])
      assert.equal(pickLocale(wish), 'en');
  });

  it('take the first language of the first wish that there are texts in', () => {
    assert.equal(pickLocale('de-CH, en;q=0.9'), 'de');
    assert.equal(pickLocale('en;q=0.2, fr-CA;q=0.8, xx'), 'fr');
    assert.equal(pickLocale('ja', 'fr', 'de'), 'fr');
    assert.equal(pickLocale('de;q=0, fr;q=0.1'), 'fr');
    assert.equal(message('de', 'login.submit'), 'Anmelden');
  });

  it('know their keys', () => {
    assert.ok(isMessageKey('login.refused'));
    assert.ok(!isMessageKey('toString'));
    assert.ok(!isMessageKey('scope.unheard_of'));
  });
});

type Text = string | Readonly<Record<string, string>>;
const formsOf = (text: Text): Readonly<Record<string, string>> => (typeof text === 'string' ? { other: text } : text);
const placeholders = (text: string): string[] => [...new Set([...text.matchAll(/\{(\w+)\}/g)].map((match) => match[1]!))].sort();

describe('every language', () => {
  const english = Object.entries<Text>(CATALOGUES.en);
  const keys = english.map(([key]) => key).sort();

  it('has a name of its own', () => {
    assert.deepEqual(Object.keys(LANGUAGE_NAMES), LOCALES);
    assert.ok(LOCALES.length >= 3);
  });

  for (const locale of LOCALES) {
    const texts: Messages = CATALOGUES[locale];
    const entries = Object.entries<Text>(texts);

    it(`${locale}: has every text, and none that nobody asks for`, () => {
      assert.deepEqual(
        entries
          .map(([key]) => key)
          .sort()
          .filter((key) => !keys.includes(key)),
        [],
        'superfluous',
      );
      assert.deepEqual(
        keys.filter((key) => !Object.hasOwn(texts, key)),
        [],
        'missing',
      );
    });

    it(`${locale}: names the same values as the English text, in every plural form its grammar has`, () => {
      const faults: string[] = [];
      const categories = new Intl.PluralRules(locale).resolvedOptions().pluralCategories;
      for (const [key, original] of english) {
        const text = (texts as Readonly<Record<string, Text>>)[key];
        if (text === undefined) continue;
        if ((typeof text === 'string') !== (typeof original === 'string')) faults.push(`${key}: plural forms`);
        const wanted = placeholders(formsOf(original)['other']!);
        for (const [form, words] of Object.entries(formsOf(text))) {
          const named = placeholders(words);
          // One of something need not be said by its number.
          const expected = form === 'one' && !named.includes('count') ? wanted.filter((name) => name !== 'count') : wanted;
          if (named.join() !== expected.join()) faults.push(`${key} (${form}): {${named}} instead of {${expected}}`);
          if (!categories.includes(form as Intl.LDMLPluralRule)) faults.push(`${key}: ${locale} has no form ${form}`);
          if (words.trim() !== words || words === '' || /[<>]|&[a-z]+;/.test(words)) faults.push(`${key}: not plain text`);
        }
      }
      assert.deepEqual(faults, []);
    });

    it(`${locale}: writes times in its own words`, () => {
      const words = { en: 'yesterday', de: 'gestern', fr: 'hier' }[locale];
      assert.equal(formatPassed(locale, new Date(NOW.getTime() - 86_400_000), NOW), words);
      assert.match(formatInstant(locale, NOW), /16:50 UTC$/);
    });
  }

  it('translates rather than copies: only names and words that are the same in both are equal to the English', () => {
    const SAME = /^(brand\.name|field\.code|consent\.to_resource|method\.|mailbox\.(code|sms|email)|demo\.tokens?|organizations\.heading)/;
    for (const locale of ['de', 'fr'] as const) {
      const texts = CATALOGUES[locale] as Readonly<Record<string, Text>>;
      const copied = english.filter(([key, text]) => JSON.stringify(texts[key]) === JSON.stringify(text) && !SAME.test(key));
      assert.deepEqual(copied, [], locale);
    }
  });

  it('keeps French punctuation on its line by a no-break space', () => {
    const loose = Object.entries<Text>(CATALOGUES.fr).filter(([, text]) =>
      Object.values(formsOf(text)).some((words) => / [:;?!»]|« /.test(words)),
    );
    assert.deepEqual(loose, []);
  });
});

describe('times and devices in words', () => {
  it('say how long ago something was', () => {
    const said = [-5, 5, 90, 7300, 90_000, 86_400 * 6, 86_400 * 30].map(passed);
    assert.deepEqual(said, ['now', 'now', '1 minute ago', '2 hours ago', 'yesterday', '6 days ago', '23 October 2026']);
  });

  it('say how long something takes, never less than is left', () => {
    assert.deepEqual(
      [0.2, 39.2, 119, 121, 7200, 7201, 86_400].map((seconds) => formatSeconds('en', seconds)),
      ['in 1 second', 'in 40 seconds', 'in 119 seconds', 'in 3 minutes', 'in 120 minutes', 'in 3 hours', 'in 24 hours'],
    );
  });

  it('name browser and system in words of ours only', () => {
    const agents: Record<string, string> = {
      'Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:132.0) Gecko/20100101 Firefox/132.0': 'Firefox on Windows',
      'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36': 'Chrome on Linux',
      'Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36 Edg/131.0': 'Edge on Windows',
      'Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1':
        'Safari on iPhone',
      'curl/8.1': 'curl',
      '<b>Visit evil.example</b>': 'Unknown device',
      '': 'Unknown device',
    };
    for (const [agent, name] of Object.entries(agents)) assert.equal(deviceName('en', agent), name);
  });
});
