import assert from 'node:assert/strict';
import { clientAddress, normaliseAddress, trustOf } from '#src/http/addresses.ts';

describe('client addresses', () => {
  const trust = trustOf(['10.0.0.0/8', '2001:db8::/32', '127.0.0.1']);

  it('have one spelling: IPv4-mapped is IPv4, IPv6 is short, zones go', () => {
    const spellings = {
      '::ffff:1.2.3.4': '1.2.3.4',
      '::FFFF:0102:0304': '1.2.3.4',
      '2001:DB8:0::0001': '2001:db8::1',
      'fe80::1%eth0': 'fe80::1',
      '1.2.3.4': '1.2.3.4',
    };
    for (const [text, expected] of Object.entries(spellings)) assert.equal(normaliseAddress(text), expected);
    for (const text of ['', 'a.b.c', '1.2.3', '1.2.3.256', '01.2.3.4', '[::1]', '::1]', 'localhost', '0x7f000001'])
      assert.equal(normaliseAddress(text), undefined, text);
  });

  it('are the peer’s where the peer is no trusted proxy, whatever it says', () => {
    assert.equal(clientAddress('198.51.100.7', '1.1.1.1', trust), '198.51.100.7');
    assert.equal(clientAddress('::ffff:198.51.100.7', '1.1.1.1', trustOf([])), '198.51.100.7');
  });

  it('are the right-most that no trusted proxy has', () => {
    assert.equal(clientAddress('10.0.0.1', '6.6.6.6, 198.51.100.7, 10.9.9.9', trust), '198.51.100.7');
    assert.equal(clientAddress('::ffff:10.0.0.1', '198.51.100.7:443, [2001:db8::5]:80', trust), '198.51.100.7');
    const mapped = trustOf(['::ffff:10.0.0.0/104']);
    assert.deepEqual([mapped('10.200.0.1'), mapped('11.0.0.1')], [true, false], 'a range that is written as IPv4-mapped');
    assert.equal(clientAddress('10.0.0.1', '10.0.0.2', trust), '10.0.0.2');
    assert.equal(clientAddress('10.0.0.1', '', trust), '10.0.0.1');
  });

  it('stop at what is no address, and cost nothing however long the header is', () => {
    assert.equal(clientAddress('10.0.0.1', '198.51.100.7, evil.test, 10.0.0.2', trust), '10.0.0.2');
    const started = performance.now();
    for (const part of [' ', ',', ', ', '10.0.0.1,', '[', ':']) clientAddress('10.0.0.1', part.repeat(100_000), trust);
    assert.ok(performance.now() - started < 100);
  });

  it('refuse at start what is no range', () => {
    for (const cidr of ['10.0.0.0/33', 'example.test', '10.0.0.0/8/8x', '::/129', '']) assert.throws(() => trustOf([cidr]), Error, cidr);
  });
});
