import assert from 'node:assert/strict';
import { isSameName, parseDistinguishedName } from '#src/core/distinguished-name.ts';

const same = (one: string, other: string): boolean => isSameName(parseDistinguishedName(one)!, parseDistinguishedName(other)!);

describe('distinguished names', () => {
  it('are the same whatever their spaces, their letters’ case, their escapes and their types’ spelling', () => {
    const name = 'CN=Jane Doe,OU=Sales\\, Ltd.,O=Example,C=DE';
    for (const other of [
      'cn=jane doe, ou=SALES\\2C LTD., o=Example, c=de',
      '2.5.4.3=Jane  Doe,OID.2.5.4.11="Sales, Ltd.",O=Example,C=DE',
      ' CN = Jane Doe , OU=Sales\\, Ltd. , O=Example , C=DE ',
      '2.5.4.3=#0c084a616e6520446f65,OU=Sales\\, Ltd.,O=Example,C=DE',
      'C=DE,O=Example,OU=Sales\\, Ltd.,CN=Jane Doe',
    ])
      assert.ok(same(name, other), other);
    assert.ok(same('CN=Lu\\C4\\8Di\\C4\\87', 'CN=Lučić'), 'octets of UTF-8');
    assert.ok(same('CN=a+UID=7,O=x', 'UID=7+CN=a,O=x'), 'the parts of one relative name have no order');
  });

  it('differ by one part, by order, and by what only looks alike', () => {
    const name = 'CN=app,OU=a,O=Example,C=DE';
    for (const other of [
      'CN=app2,OU=a,O=Example,C=DE',
      'CN=app,O=Example,C=DE',
      'CN=app,OU=a,O=Example,C=DE,DC=x',
      'OU=a,CN=app,O=Example,C=DE',
      'CN=app+OU=a,O=Example,C=DE',
      'CN=app\\,OU=a,O=Example,C=DE',
      'CN=аpp,OU=a,O=Example,C=DE',
      'CN=ａｐｐ,OU=a,O=Example,C=DE',
      'CN=app\\00,OU=a,O=Example,C=DE',
      'SN=app,OU=a,O=Example,C=DE',
    ])
      assert.ok(!same(name, other), other);
    assert.equal(isSameName([], []), false, 'nobody has the empty name');
  });

  it('are nothing where the text is none', () => {
    for (const text of [
      '',
      ' ',
      'app',
      'CN',
      'CN=a,',
      ',CN=a',
      'CN=a,,O=b',
      'CN=a;O=b',
      'XY=a',
      'CN="a',
      'CN=a"b',
      'CN=#0',
      'CN=#zz',
      'CN=\\',
      'CN=\\c3',
      '/C=DE/CN=a',
    ])
      assert.equal(parseDistinguishedName(text), undefined, text);
  });

  it('cost nothing however they are written', () => {
    const started = performance.now();
    for (const part of ['CN=a,', 'CN=a+', '\\ ', ' ', '"', 'CN="', '\\2C', '#00', '1.', 'a']) {
      parseDistinguishedName(part.repeat(20_000));
      parseDistinguishedName(`CN=${part.repeat(20_000)}`);
    }
    assert.ok(performance.now() - started < 1000);
  });
});
