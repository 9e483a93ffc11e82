import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Type } from '@sinclair/typebox';
import { AppError } from '#src/core/errors.ts';
import { readUpload } from '#src/http/read-body.ts';
import { answerLines, NDJSON, route } from '#src/http/route.ts';
import { type ApiHarness, startApi } from '#test/support/api.ts';
import { takeViolations } from '#test/support/openapi-guard.ts';

describe('uploads', () => {
  let server: Server;
  let took: Promise<unknown>;
  const read = async (incoming: IncomingMessage): Promise<string> => {
    let size = 0;
    for await (const chunk of readUpload(incoming, 1000, 150)) size += chunk.length;
    return `${size} bytes`;
  };
  const ended = (): Promise<unknown> =>
    took.catch((error: unknown) => (error instanceof AppError ? `${error.status} ${error.code}` : error));

  before(async () => {
    server = createServer((incoming, response) => {
      took = read(incoming);
      took.then(
        () => response.end(),
        () => response.writeHead(400, { connection: 'close' }).end(),
      );
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
  });
  after(() => {
    server.closeAllConnections();
    server.close();
  });

  const send = async (pieces: readonly string[], headers: Record<string, string | number> = {}, finish = true): Promise<unknown> => {
    const { port } = server.address() as AddressInfo;
    const sending = request({ host: '127.0.0.1', port, method: 'POST', headers });
    sending.on('error', () => {});
    const arrived = once(server, 'request');
    for (const piece of pieces) sending.write(piece);
    if (finish) sending.end();
    else sending.flushHeaders();
    await arrived;
    const end = await ended();
    sending.destroy();
    return end;
  };

  it('are read as they come, up to their limit, announced or not', async () => {
    assert.equal(await send(['x'.repeat(600), 'y'.repeat(400)]), '1000 bytes');
    assert.equal(await send(['x'.repeat(600), 'y'.repeat(401)]), '413 body.too_large');
    assert.equal(await send(['x'], { 'content-length': 1001 }, false), '413 body.too_large');
    assert.equal(await send(['x'], { 'content-encoding': 'gzip' }), '415 media_type.unsupported');
  });

  it('end where their sender falls silent', async () => {
    assert.equal(await send(['x'], { 'content-length': 500 }, false), '408 body.too_slow');
  });

  it('end where their sender goes away', async () => {
    const { port } = server.address() as AddressInfo;
    const sending = request({ host: '127.0.0.1', port, method: 'POST', headers: { 'content-length': 500 } });
    sending.on('error', () => {});
    const arrived = once(server, 'request');
    sending.write('x');
    await arrived;
    sending.destroy();
    assert.equal(await ended(), '400 input.malformed');
  });
});

describe('answers of lines', () => {
  let api: ApiHarness;
  let asked = 0;
  let closed = 0;
  const linesOf = async function* (count: number, failAt = -1) {
    try {
      for (let n = 0; n < count; n += 1) {
        asked += 1;
        if (n === failAt) throw new Error('the database is gone');
        yield { n };
      }
    } finally {
      closed += 1;
    }
  };
  const line = (path: `GET /${string}`, count: number, failAt?: number) =>
    route(path, {
      summary: 'Lines',
      tag: 'Test',
      access: 'users.read',
      reply: Type.Object({ n: Type.Integer() }),
      lines: true,
      handle: async () => answerLines(linesOf(count, failAt)),
    });
  before(async () => {
    api = await startApi(() => [
      line('GET /api/three', 3),
      line('GET /api/none', 0),
      line('GET /api/first', 3, 0),
      line('GET /api/later', 50_000, 40_000),
      line('GET /api/endless', 1e9),
    ]);
  });
  after(() => api?.close());
  afterEach(() => takeViolations());
  const get = (path: string, init: RequestInit = {}): Promise<Response> =>
    fetch(`${api.url}/api/${path}`, { headers: { authorization: `Bearer ${api.tokenOf({ tenantId: api.tenants[0] })}` }, ...init });

  it('are one JSON each, and may be none', async () => {
    const three = await get('three');
    assert.deepEqual([three.headers.get('content-type'), await three.text()], [`${NDJSON}; charset=utf-8`, '{"n":0}\n{"n":1}\n{"n":2}\n']);
    const none = await get('none');
    assert.deepEqual([none.status, await none.text()], [200, '']);
    const head = await get('three', { method: 'HEAD' });
    assert.deepEqual([head.status, await head.text()], [200, '']);
  });

  it('are a problem where the first cannot be made, and cut off where a later one cannot: a part is never taken for the whole', async () => {
    assert.equal((await get('first')).status, 500);
    const later = await get('later');
    assert.equal(later.status, 200);
    await assert.rejects(later.text());
  });

  it('are made no faster than they are taken, and end where the caller goes away', async () => {
    asked = 0;
    closed = 0;
    const leaving = new AbortController();
    const endless = await get('endless', { signal: leaving.signal });
    await endless.body!.getReader().read();
    await new Promise((resolve) => setTimeout(resolve, 300));
    const taken = asked;
    assert.ok(taken < 1_000_000, `${taken} lines for a caller who reads none`);
    leaving.abort();
    for (let tries = 0; closed === 0 && tries < 50; tries += 1) await new Promise((resolve) => setTimeout(resolve, 20));
    assert.equal(closed, 1);
  });
});
