import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createOutboundFetch } from '#src/infra/outbound-http.ts';
import { isPublicAddress } from '#src/infra/public-address.ts';

const NAMES: Record<string, string[]> = {
  'private.test': ['127.0.0.1'],
  'mixed.test': ['93.184.215.14', '127.0.0.1'],
  'ok.test': ['127.0.0.1'],
  'meta.test': ['169.254.169.254'],
  'v6.test': ['::ffff:127.0.0.1'],
};
const options = { timeoutMs: 500, resolve: async (host: string) => NAMES[host] ?? [] };

function why(error: unknown): string {
  const { message, cause } = error as Error;
  return cause ? `${message} ${why(cause)}` : message;
}

describe('outgoing requests', () => {
  let hits = 0;
  let directory: string;
  let plain: http.Server;
  let secure: https.Server;
  let [plainPort, securePort] = [0, 0];
  let ca = '';
  const opened: { close(): Promise<void> }[] = [];
  const open = (more: Parameters<typeof createOutboundFetch>[0] = {}) => {
    const made = createOutboundFetch({ ...options, ...more });
    opened.push(made);
    return made;
  };

  const answer: http.RequestListener = (request, response) => {
    hits += 1;
    if (request.url === '/redirect') response.writeHead(302, { location: 'http://169.254.169.254/latest' }).end();
    else if (request.url === '/big') response.end(Buffer.alloc(300 * 1024));
    else if (request.url === '/drip') {
      response.writeHead(200);
      const timer = setInterval(() => response.write('x'), 50);
      response.on('close', () => clearInterval(timer));
    } else if (request.url === '/stream') {
      response.writeHead(200);
      for (let part = 0; part < 10; part += 1) response.write(Buffer.alloc(40 * 1024));
      response.end();
    } else if (request.url !== '/slow') response.end('fine');
  };

  before(async () => {
    directory = mkdtempSync(path.join(tmpdir(), 'gatehouse-tls-'));
    const [key, cert] = [path.join(directory, 'key.pem'), path.join(directory, 'cert.pem')];
    execFileSync(
      'openssl',
      [
        ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-subj', '/CN=ok.test'],
        ...['-addext', 'subjectAltName=DNS:ok.test', '-keyout', key, '-out', cert],
      ],
      { stdio: 'ignore' },
    );
    ca = readFileSync(cert, 'utf8');
    plain = http.createServer(answer).listen(0, '127.0.0.1');
    secure = https.createServer({ key: readFileSync(key), cert: ca }, answer).listen(0, '127.0.0.1');
    await Promise.all([once(plain, 'listening'), once(secure, 'listening')]);
    plainPort = (plain.address() as AddressInfo).port;
    securePort = (secure.address() as AddressInfo).port;
  });
  beforeEach(() => {
    hits = 0;
  });
  after(async () => {
    await Promise.all(opened.map((each) => each.close()));
    for (const server of [plain, secure]) {
      server.closeAllConnections();
      server.close();
    }
    rmSync(directory, { recursive: true });
  });

  it('know public addresses from special ones, in every notation', () => {
    for (const address of [
      ...['127.0.0.1', '10.1.2.3', '172.31.0.1', '192.168.1.1', '169.254.169.254', '100.64.0.1', '0.0.0.0', '224.0.0.1', '255.255.255.255'],
      ...['198.18.0.1', '::', '::1', '::ffff:10.0.0.1', '::ffff:a00:1', 'fe80::1', 'fc00::1', 'fd12::1', '64:ff9b::a00:1', '2002:7f00:1::'],
      ...['2001::1', '2001:db8::1', 'ff02::1', 'nonsense', ''],
    ])
      assert.equal(isPublicAddress(address), false, address);
    for (const address of ['93.184.215.14', '1.1.1.1', '8.8.8.8', '2606:4700:4700::1111', '2a00:1450:4001:80f::200e', '::ffff:8.8.8.8'])
      assert.equal(isPublicAddress(address), true, address);
  });

  it('reach no private address: by name, by literal, mixed with public ones', async () => {
    const guarded = open({ ca });
    for (const host of [
      'private.test',
      'mixed.test',
      'v6.test',
      '127.0.0.1',
      '[::1]',
      '[::ffff:127.0.0.1]',
      '2130706433',
      '0x7f.1',
      '0.0.0.0',
    ])
      await assert.rejects(guarded(`https://${host}:${securePort}/`), (error) => /public address/.test(why(error)), host);
    await assert.rejects(guarded('https://meta.test/'), (error) => /public address/.test(why(error)));
    assert.equal(hits, 0);
  });

  it('connect to the address that was judged: a name is resolved once', async () => {
    let turn = 0;
    const flipping = open({ resolve: async () => (turn++ === 0 ? ['192.0.2.1'] : ['127.0.0.1']) });
    await assert.rejects(flipping('https://flip.test/'));
    assert.equal(turn, 1);
  });

  it('speak https, except to allowed hosts, and carry no credentials in the URL', async () => {
    const allowing = open({ allowHosts: [`ok.test:${plainPort}`, `ok.test:${securePort}`], ca });
    await assert.rejects(open()(`http://private.test:${plainPort}/`), /only https/);
    await assert.rejects(allowing('file:///etc/passwd'), /only https/);
    await assert.rejects(allowing(`http://u:p@ok.test:${plainPort}/`), /credentials/);
    await assert.rejects(allowing('http://ok.test:1/'), /only https/, 'another port is another host');
    assert.equal((await allowing(`http://ok.test:${plainPort}/`)).status, 200);
    assert.equal(await (await allowing(`https://ok.test:${securePort}/`)).text(), 'fine');
  });

  it('ignore the dispatcher somebody else chose, and check certificates', async () => {
    await assert.rejects(open()(`https://private.test:${securePort}/`, { dispatcher: {} } as RequestInit), (error) =>
      /public address/.test(why(error)),
    );
    const trusting = open({ allowHosts: [`private.test:${securePort}`, `ok.test:${securePort}`] });
    await assert.rejects(trusting(`https://ok.test:${securePort}/`), (error) => /certificate/.test(why(error)));
    assert.equal(hits, 0);
  });

  it('follow no redirect, and end within their limits of time and size', async () => {
    const allowing = open({ allowHosts: ['ok.test'] });
    for (const page of ['redirect', 'slow']) await assert.rejects(allowing(`http://ok.test:${plainPort}/${page}`), page);
    for (const page of ['drip', 'big', 'stream']) {
      const started = performance.now();
      await assert.rejects(async () => (await allowing(`http://ok.test:${plainPort}/${page}`)).arrayBuffer(), page);
      assert.ok(performance.now() - started < 1500, page);
    }
  });
});
