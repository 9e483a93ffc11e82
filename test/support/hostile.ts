/** What a stranger may send, made from what is published; and a way to send bytes that no HTTP client would. */
import { connect } from 'node:net';

type Json = Record<string, unknown>;

/** Text that is too long, cannot be stored, or means something to somebody further on. */
export const HOSTILE_TEXTS: readonly string[] = [
  '',
  ' ',
  '\0',
  'a\0b',
  '%00',
  'x'.repeat(40_000),
  '\ud800',
  'a\udc00b',
  'line\r\nset-cookie: evil=1',
  '__proto__',
  'constructor.prototype',
  "' or 1=1 --",
  '<%= 7*7 %>{{7*7}}',
  '../../etc/passwd',
  '-1',
  '1e309',
  '9'.repeat(400),
  '2026-13-45T99:99:99Z',
  '00000000-0000-0000-0000-000000000000',
  '\u202e\ufeff\u0131\uff41',
];

const deep = (levels: number): string => `${'['.repeat(levels)}${']'.repeat(levels)}`;

/** Values of other types than the one that is expected, as JSON. */
export const HOSTILE_VALUES: readonly string[] = [
  ...HOSTILE_TEXTS.map((text) => JSON.stringify(text)),
  'null',
  'true',
  '0',
  '-1',
  '1e308',
  '9007199254740993',
  '[]',
  '{}',
  '[null]',
  '["x", "x"]',
  '[[[["x"]]]]',
  '{"__proto__": {"admin": true}}',
  '{"constructor": {"prototype": {"admin": true}}}',
  '{"$ne": null}',
  '{"toString": 1, "length": -1}',
];

/** Whole bodies that are no object of the kind that is expected. */
export const HOSTILE_BODIES: readonly (string | Buffer)[] = [
  '',
  '{',
  'null',
  '"text"',
  '1',
  '[]',
  '{"a":1,"a":2}',
  '{"__proto__":{"admin":true}}',
  deep(10_000),
  `{"a":${'{"a":'.repeat(10_000)}1${'}'.repeat(10_000)}}`,
  `{${Array.from({ length: 30_000 }, (_, n) => `"k${n}":1`).join(',')}}`,
  Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x3a, 0x31, 0x7d]),
  Buffer.from([0xef, 0xbb, 0xbf, 0x7b, 0x7d]),
  '{}\0',
];

/** Segments of a path that are no ids. */
export const HOSTILE_SEGMENTS: readonly string[] = [
  '%00',
  'a%00b',
  '%ff%fe',
  '%',
  '%E0%A4%A',
  '..%2f..%2fetc%2fpasswd',
  '%0d%0aset-cookie:%20evil=1',
  '__proto__',
  'constructor',
  'x'.repeat(12_000),
  "'%20or%201=1",
  '%ED%A0%80',
  '-1',
  '00000000-0000-0000-0000-000000000000',
  '%252e%252e',
];

/** Values of a query, already encoded. */
export const HOSTILE_QUERIES: readonly string[] = [
  '',
  '%00',
  'a%00b',
  '%ff',
  '%',
  'x'.repeat(12_000),
  '-1',
  '1e309',
  'NaN',
  '99999999999999999999',
  '%27%20or%201=1--',
  '%0d%0aevil:1',
  '__proto__',
  '%ED%A0%80',
  '2026-13-45',
];

interface Operation {
  parameters?: { name: string; in: string; required?: boolean }[];
  requestBody?: { content: Record<string, { schema: Json }> };
  security: Json[];
}

export interface HostileRequest {
  method: string;
  /** With the query. */
  path: string;
  headers: Record<string, string>;
  body?: string | Buffer;
}

const A_UUID = '0192f0c0-1111-7000-8000-000000000000';

/**
 * Every operation of an OpenAPI document with hostile path segments, query values, headers, members and bodies. `known` is text that
 * stands for a path parameter that names something (so that requests get past the look-up); an unknown id is used where it has none.
 */
export function* hostileRequests(
  document: Json,
  known: (path: string, parameter: string) => string | undefined,
): Generator<HostileRequest> {
  let turn = 0;
  for (const [path, operations] of Object.entries(document['paths'] as Record<string, Record<string, Operation>>)) {
    for (const [verb, operation] of Object.entries(operations)) {
      const method = verb.toUpperCase();
      const names = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name!);
      const fill = (replaced: Record<string, string> = {}): string =>
        path.replace(/\{(\w+)\}/g, (_, name: string) => replaced[name] ?? known(path, name) ?? A_UUID);
      for (const name of names) for (const segment of HOSTILE_SEGMENTS) yield { method, path: fill({ [name]: segment }), headers: {} };
      // What follows reaches the row that is named: deleting it would leave nothing to ask the rest with.
      if (method === 'DELETE') continue;
      const queries = (operation.parameters ?? []).filter((parameter) => parameter.in === 'query').map(({ name }) => name);
      for (const name of [...queries, '__proto__', 'nothing'])
        for (const value of HOSTILE_QUERIES) yield { method, path: `${fill()}?${name}=${value}`, headers: {} };
      for (const name of queries) yield { method, path: `${fill()}?${name}=1&${name}=2`, headers: {} };
      // Read before any route is: each route has one of them in turn.
      const odd = ['x'.repeat(300), '*', '"\u00e9"', "'", A_UUID];
      for (const value of [odd[turn++ % odd.length]!])
        for (const name of [
          'if-match',
          'if-none-match',
          'idempotency-key',
          'x-tenant-id',
          'x-request-id',
          'dpop',
          'accept-language',
          'accept',
        ])
          yield { method, path: fill(), headers: { [name]: value } };
      for (const [type, { schema }] of Object.entries(operation.requestBody?.content ?? {})) {
        const send = (body: string | Buffer, contentType = type): HostileRequest => ({
          method,
          path: fill(),
          headers: { 'content-type': contentType },
          body,
        });
        for (const body of HOSTILE_BODIES) yield send(body);
        for (const other of [
          '',
          'text/plain',
          'application/xml',
          'multipart/form-data; boundary=x',
          'application/json; charset=utf-16',
          `${'a'.repeat(5000)}/b`,
        ])
          yield send('{}', other);
        const sample = sampleOf(schema) as Json;
        for (const member of Object.keys((schema['properties'] ?? {}) as Json))
          for (const value of HOSTILE_VALUES) {
            const rest = Object.entries(sample).filter(([name]) => name !== member);
            yield send(
              `{${[...rest.map(([name, one]) => `${JSON.stringify(name)}:${JSON.stringify(one)}`), `${JSON.stringify(member)}:${value}`].join(',')}}`,
            );
          }
        yield { method, path: fill(), headers: {} };
      }
    }
  }
}

/** Something that the schema likes, more or less: what is required of it. */
function sampleOf(schema: Json): unknown {
  if ('const' in schema) return schema['const'];
  if ('default' in schema) return schema['default'];
  const choices = (schema['anyOf'] ?? schema['oneOf']) as Json[] | undefined;
  if (choices) return sampleOf(choices[0]!);
  if (Array.isArray(schema['enum'])) return schema['enum'][0];
  if (schema['type'] === 'object' || schema['properties']) {
    const required = (schema['required'] ?? []) as string[];
    const properties = (schema['properties'] ?? {}) as Record<string, Json>;
    return Object.fromEntries(required.map((name) => [name, sampleOf(properties[name] ?? {})]));
  }
  if (schema['type'] === 'array') return [];
  if (schema['type'] === 'boolean') return true;
  if (schema['type'] === 'integer' || schema['type'] === 'number') return Number(schema['minimum'] ?? 1);
  if (schema['format'] === 'uri') return 'https://example.org/x';
  return 'x'.repeat(Math.max(8, Number(schema['minLength'] ?? 0)));
}

/** Sends these bytes, with pauses between them, and answers the first line of the answer; `''` where the connection was closed without one. */
export function sendBytes(url: string, parts: readonly (string | Buffer)[], { pauseMs = 0, withinMs = 5000 } = {}): Promise<string> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const socket = connect({ host: hostname, port: Number(port) });
    let answer = '';
    const timer = setTimeout(() => {
      socket.destroy();
      reject(new Error(`no answer within ${withinMs} ms; sent ${String(parts[0]).slice(0, 80)}`));
    }, withinMs);
    const done = (): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(answer.split('\r\n', 1)[0] ?? '');
    };
    socket.on('data', (chunk: Buffer) => {
      answer += chunk.toString('latin1');
      if (answer.includes('\r\n')) done();
    });
    socket.on('close', done);
    socket.on('error', () => {});
    socket.on('connect', async () => {
      for (const part of parts) {
        if (socket.destroyed) return;
        socket.write(part);
        if (pauseMs > 0) await new Promise((next) => setTimeout(next, pauseMs));
      }
    });
  });
}
