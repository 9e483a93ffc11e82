import { Readable } from 'node:stream';
import type { Context } from 'koa';
import { NDJSON } from './route.ts';

/**
 * Answers with one line for each item, made as fast as the caller takes them. What fails before the first line is thrown; what fails
 * later cuts the connection, so that nobody takes a part for the whole.
 */
export async function sendLines(ctx: Context, lineOf: (item: unknown) => string, items: AsyncIterable<unknown>): Promise<void> {
  const iterator = items[Symbol.asyncIterator]();
  const first = await iterator.next();
  const firstLine = first.done ? undefined : lineOf(first.value);
  ctx.status = 200;
  ctx.set('cache-control', 'no-store');
  ctx.set('content-type', `${NDJSON}; charset=utf-8`);
  if (ctx.method === 'HEAD' || firstLine === undefined) {
    await iterator.return?.();
    ctx.body = ctx.method === 'HEAD' ? null : '';
    ctx.status = 200;
    return;
  }
  async function* lines(): AsyncGenerator<string> {
    try {
      yield `${firstLine}\n`;
      for (let next = await iterator.next(); !next.done; next = await iterator.next()) yield `${lineOf(next.value)}\n`;
    } finally {
      await iterator.return?.();
    }
  }
  const body = Readable.from(lines());
  body.on('error', () => ctx.res.destroy());
  ctx.body = body;
  ctx.set('content-type', `${NDJSON}; charset=utf-8`);
}
