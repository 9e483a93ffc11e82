import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Type } from '@sinclair/typebox';
import { Ajv2020 } from 'ajv/dist/2020.js';
import Koa from 'koa';
import { apiReference } from '#src/http/docs.ts';
import { createHealth, healthRoutes } from '#src/http/health.ts';
import { buildOpenApi, openApiDocument } from '#src/http/openapi.ts';
import { PAGE_QUERY, pageSchema } from '#src/http/paging.ts';
import { answer, ID_PARAMS, route } from '#src/http/route.ts';
import { setSecurityHeaders } from '#src/http/security-headers.ts';
import type { Loose } from '#test/support/api.ts';
import { launchChromium } from '#test/support/chromium.ts';

const THING = Type.Object({ id: Type.String(), at: Type.String({ format: 'date-time' }), next: Type.Union([Type.String(), Type.Null()]) });
const NEW_THING = Type.Object({ name: Type.String({ maxLength: 5 }) });
const thing = () => Promise.resolve(answer({}));

describe('the OpenAPI document', () => {
  const routes = [
    route('GET /api/things', {
      summary: 'List things',
      tag: 'Things',
      access: 'users.read',
      query: Type.Object(PAGE_QUERY),
      reply: pageSchema(THING),
      handle: thing,
    }),
    route('POST /api/things', {
      summary: 'Create a thing',
      tag: 'Things',
      access: 'users.write',
      body: NEW_THING,
      reply: THING,
      status: 201,
      also: { 202: THING },
      handle: thing,
    }),
    route('PATCH /api/things/{id}', {
      summary: 'Change a thing',
      tag: 'Things',
      access: 'users.write',
      params: ID_PARAMS,
      body: NEW_THING,
      reply: THING,
      handle: thing,
    }),
    ...healthRoutes(createHealth({})),
  ];
  const document = buildOpenApi(routes, { issuer: 'https://op.test' }) as unknown as Loose;
  const operation = (path: string, method: string): Loose => document['paths']?.[path]?.[method] ?? {};
  let server: Server;
  let url: string;

  before(async () => {
    const app = new Koa();
    app.use((ctx, next) => {
      setSecurityHeaders(ctx.res, 'request', false);
      return next();
    });
    app.use(openApiDocument(buildOpenApi(routes, { issuer: 'https://op.test' })));
    app.use(apiReference());
    server = createServer(app.callback()).listen(0, '127.0.0.1');
    await once(server, 'listening');
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  after(() => server?.close().closeAllConnections());

  it('names every route with its permission, parameters and answers', () => {
    assert.deepEqual(Object.keys(document['paths'] ?? {}), ['/api/things', '/api/things/{id}', '/health/live', '/health/ready']);
    assert.deepEqual(operation('/api/things', 'get')['security'], [{ oauth2: ['users.read'] }]);
    assert.deepEqual(operation('/health/ready', 'get')['security'], []);
    const names = (path: string, method: string): string[] =>
      (operation(path, method)['parameters'] as unknown as { name: string }[]).map(({ name }) => name);
    assert.deepEqual(names('/api/things', 'get'), ['limit', 'cursor', 'X-Tenant-Id']);
    assert.deepEqual(names('/api/things', 'post'), ['Idempotency-Key', 'X-Tenant-Id']);
    assert.deepEqual(names('/api/things/{id}', 'patch'), ['id', 'If-Match', 'X-Tenant-Id']);
    assert.deepEqual(Object.keys(operation('/api/things', 'post')['responses'] ?? {}).slice(0, 2), ['201', '202']);
    for (const status of ['401', '403', '404', '409', '412', '413', '415', '422', '429'])
      assert.ok(operation('/api/things/{id}', 'patch')['responses']?.[status]?.['content']?.['application/problem+json'], status);
    assert.ok(operation('/api/things/{id}', 'patch')['requestBody']?.['content']?.['application/merge-patch+json']);
  });

  it('holds valid schemas, closed objects, unique operation ids and no reference that leads nowhere', () => {
    const ajv = new Ajv2020({ strict: false, validateFormats: false });
    const text = JSON.stringify(document);
    for (const [, target] of text.matchAll(/"\$ref":"#\/components\/schemas\/(\w+)"/g))
      assert.ok(document['components']?.['schemas']?.[target!]);
    const ids: unknown[] = [];
    for (const path of Object.values(document['paths'] ?? {}))
      for (const each of Object.values(path ?? {})) {
        ids.push(each?.['operationId']);
        for (const content of [each?.['requestBody'], ...Object.values(each?.['responses'] ?? {})].map((part) => part?.['content']))
          for (const type of Object.values(content ?? {})) {
            const schema = JSON.parse(JSON.stringify(type?.['schema']));
            if (!schema.$ref) assert.ok(ajv.validateSchema(schema), ajv.errorsText());
          }
      }
    assert.equal(new Set(ids).size, ids.length);
    assert.equal(
      operation('/api/things', 'post')['requestBody']?.['content']?.['application/json']?.['schema']?.['additionalProperties'],
      false as never,
    );
  });

  it('is served with an ETag to everybody', async () => {
    const response = await fetch(`${url}/openapi.json`);
    assert.equal(((await response.json()) as { openapi: string }).openapi, '3.1.0');
    assert.equal((await fetch(`${url}/openapi.json`, { headers: { 'if-none-match': response.headers.get('etag')! } })).status, 304);
  });

  it('can be browsed at /docs, from our own disk, with nothing inline and nothing blocked', async function () {
    this.timeout(60_000);
    const browser = await launchChromium(this);
    try {
      const page = await browser.newPage();
      const complaints: string[] = [];
      const hosts = new Set<string>();
      page.on('console', (message) => {
        if (message.type() === 'error') complaints.push(message.text());
      });
      page.on('pageerror', (error) => complaints.push(error.message));
      page.on('request', (request) => {
        const address = new URL(request.url());
        if (address.protocol !== 'data:') hosts.add(address.origin);
      });
      await page.goto(`${url}/docs`);
      await page.getByText('/api/things/{id}').first().waitFor();
      await page.getByText('List things').first().click();
      await page.getByText('nextCursor').first().waitFor();
      assert.deepEqual(complaints, []);
      assert.deepEqual([...hosts], [url]);
    } finally {
      await browser.close();
    }
  });

  it('gives nothing else from that folder', async () => {
    for (const path of ['package.json', 'index.html', '../package.json', '..%2fpackage.json', 'constructor', '__proto__', 'swagger-ui.js'])
      assert.equal((await fetch(`${url}/docs/${path}`)).status, 404, path);
  });
});
