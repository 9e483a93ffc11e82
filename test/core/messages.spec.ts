import assert from 'node:assert/strict';
import { isMessageKey, message, noteText, pickLocale } from '#src/core/messages/catalogue.ts';
import { deviceName } from '#src/core/messages/device.ts';
import { formatPassed, formatSeconds } from '#src/core/messages/time.ts';

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

  it('choose the plural form by count', () => {
    assert.equal(message('en', 'account.others_ended', { count: 1 }), 'One other device has been signed out.');
    assert.equal(message('en', 'account.others_ended', { count: 3 }), '3 other devices have been signed out.');
  });

  it('read as English in a language there are no texts in', () => {
    assert.equal(message('xx', 'login.submit'), 'Sign in');
    assert.equal(message('__proto__', 'login.submit'), 'Sign in');
    for (const wish of ['de-CH, de;q=0.9', 'en-GB;q=0.3, xx', '*', '', undefined, ',;q=;;', 'constructor'])
      assert.equal(pickLocale(wish), 'en');
  });

  it('know their keys', () => {
    assert.ok(isMessageKey('login.refused'));
    assert.ok(!isMessageKey('toString'));
    assert.ok(!isMessageKey('scope.unheard_of'));
  });
});

describe('times and devices in words', () => {
  it('say how long ago something was', () => {
    const said = [-5, 5, 90, 7300, 90_000, 86_400 * 6, 86_400 * 30].map(passed);
    assert.deepEqual(said, ['now', 'now', '1 minute ago', '2 hours ago', 'yesterday', '6 days ago', '23 October 2026']);
  });

  it('say how long something takes, never less than is left', () => {
    assert.deepEqual(
      [0.2, 39.2, 119, 121].map((seconds) => formatSeconds('en', seconds)),
      ['in 1 second', 'in 40 seconds', 'in 119 seconds', 'in 3 minutes'],
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
