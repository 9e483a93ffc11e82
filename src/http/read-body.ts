import type { IncomingMessage } from 'node:http';
import { AppError, malformed } from '../core/errors.ts';
import { parseJson } from './json.ts';
import { NDJSON } from './route.ts';

/** 64 KiB for protocol and pages, 1 MiB for the API. */
export const PAGE_BODY_LIMIT = 65_536;
export const API_BODY_LIMIT = 1_048_576;

const unsupported = (detail: string, accepts: readonly string[]): AppError =>
  new AppError('media_type.unsupported', 415, 'The type of the body is not supported', { detail, headers: { accept: accepts.join(', ') } });

/**
 * Reads a body as it is. Throws 413 `body.too_large` as soon as it is known to be longer than `limit` bytes, 415 where it is
 * compressed, and 400 where the sender went away.
 */
export async function readBody(request: IncomingMessage, limit: number): Promise<Buffer> {
  if ((request.headers['content-encoding'] ?? 'identity') !== 'identity')
    throw unsupported('Compressed bodies are not accepted', ['application/json']);
  if (Number(request.headers['content-length'] ?? 0) > limit) throw tooLarge(limit);
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    // Not the iterator: leaving it would destroy the socket before the answer is sent.
    await new Promise<void>((resolve, reject) => {
      request.on('data', (chunk: Buffer) => {
        size += chunk.length;
        if (size <= limit) chunks.push(chunk);
        else reject(tooLarge(limit));
      });
      request.on('end', resolve);
      request.on('error', reject);
      request.on('close', () => reject(new Error('closed')));
    });
  } catch (error) {
    if (error instanceof AppError) throw error;
    throw malformed('The body ended early');
  }
  return Buffer.concat(chunks);
}

/** Requests whose body may take longer than the server gives others. */
const uploads = new WeakSet<IncomingMessage>();

export const isUpload = (request: IncomingMessage): boolean => uploads.has(request);

const IDLE_MS = 30_000;
/** Bytes a second: who sends less for long holds a connection and not much else. */
const SLOWEST = 1024;

/**
 * The body of a request piece by piece, never held as a whole. Throws 413 past `maxBytes`, 408 where the sender falls silent or stays slow,
 * 415 where it is compressed, and 400 where the sender went away.
 */
export async function* readUpload(request: IncomingMessage, maxBytes: number, idleMs = IDLE_MS): AsyncGenerator<Buffer, void, undefined> {
  if ((request.headers['content-encoding'] ?? 'identity') !== 'identity') throw unsupported('Compressed bodies are not accepted', [NDJSON]);
  if (Number(request.headers['content-length'] ?? 0) > maxBytes) throw tooLarge(maxBytes);
  uploads.add(request);
  const began = performance.now();
  const chunks = request.iterator({ destroyOnReturn: false });
  try {
    for (let size = 0; ; ) {
      const { value, done } = await nextOf(chunks, idleMs);
      if (done) return;
      const chunk = value as Buffer;
      size += chunk.length;
      if (size > maxBytes) throw tooLarge(maxBytes);
      if (performance.now() - began > idleMs + (size / SLOWEST) * 1000) throw tooSlow();
      yield chunk;
    }
  } finally {
    // Nobody reads the rest: time for the answer to arrive, then the connection goes.
    if (!request.complete) setTimeout(() => request.complete || request.socket.destroy(), 2000).unref();
  }
}

async function nextOf(chunks: AsyncIterator<unknown>, idleMs: number): Promise<IteratorResult<unknown>> {
  let timer: NodeJS.Timeout | undefined;
  const silence = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(tooSlow()), idleMs);
  });
  const next = chunks.next();
  next.catch(() => undefined);
  try {
    return await Promise.race([next, silence]);
  } catch (error) {
    throw error instanceof AppError ? error : malformed('The body ended early');
  } finally {
    clearTimeout(timer);
  }
}

const tooSlow = (): AppError => new AppError('body.too_slow', 408, 'The body came too slowly', { headers: { connection: 'close' } });

const tooLarge = (limit: number): AppError =>
  new AppError('body.too_large', 413, 'The body is too large', {
    detail: `At most ${limit} bytes are accepted`,
    headers: { connection: 'close' },
  });

/** The media type of a request in lower case, without parameters; throws 415 where it is not one of `accepted` or not UTF-8. */
export function checkMediaType(request: IncomingMessage, accepted: readonly string[]): void {
  const [type = '', ...parameters] = (request.headers['content-type'] ?? '').toLowerCase().split(';');
  if (!accepted.includes(type.trim())) throw unsupported(`Send ${accepted.join(' or ')}`, accepted);
  const charset = parameters.map((parameter) => parameter.trim()).find((parameter) => parameter.startsWith('charset='));
  if (charset && !/^charset="?utf-?8"?$/.test(charset)) throw unsupported('Send UTF-8', accepted);
}

/** Reads and parses a JSON body; `raw` is what was sent. Throws 400, 413 or 415. */
export async function readJson(
  request: IncomingMessage,
  limit = API_BODY_LIMIT,
  accepted: readonly string[] = ['application/json'],
): Promise<{ value: unknown; raw: Buffer }> {
  checkMediaType(request, accepted);
  const raw = await readBody(request, limit);
  return { value: parseJson(decode(raw)), raw };
}

/** Reads a form as pages post it (`application/x-www-form-urlencoded`). Throws 400 where a field comes twice or holds a NUL, 413 or 415. */
export async function readForm(request: IncomingMessage, limit = PAGE_BODY_LIMIT): Promise<Record<string, string>> {
  checkMediaType(request, ['application/x-www-form-urlencoded']);
  const fields = new URLSearchParams(decode(await readBody(request, limit)));
  const form: Record<string, string> = Object.create(null) as Record<string, string>;
  let count = 0;
  for (const [name, value] of fields) {
    count += 1;
    if (count > 200) throw malformed('The form has too many fields');
    if (Object.hasOwn(form, name)) throw malformed('A field of the form is there twice');
    if (`${name}${value}`.includes('\0')) throw malformed('A field of the form holds a character that is not allowed');
    form[name] = value;
  }
  return form;
}

function decode(raw: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(raw);
  } catch {
    throw malformed('The body is not UTF-8');
  }
}

/** Makes a body that was read readable once more, for a library that insists on reading it itself. */
export function offerAgain(request: IncomingMessage, body: Buffer): void {
  delete request.headers['transfer-encoding'];
  request.headers['content-length'] = String(body.length);
  Object.defineProperties(request, {
    readable: { value: true, configurable: true },
    iterator: {
      configurable: true,
      value: async function* () {
        yield body;
      },
    },
  });
}
