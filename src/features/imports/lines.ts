/** Cuts a body into lines, whatever pieces it comes in. */
export const MOST_BYTES = 65_536;

export type RawLine = { number: number } & ({ text: string } | { fault: 'too_long' | 'not_utf8' });

const NEWLINE = 0x0a;

/** The lines of the body that are not empty, with their numbers from 1. What is too long or no UTF-8 comes as a fault, and takes no memory. */
export async function* linesOf(body: AsyncIterable<Buffer>): AsyncGenerator<RawLine, void, undefined> {
  let parts: Buffer[] = [];
  let size = 0;
  let number = 0;

  function end(): RawLine | undefined {
    number += 1;
    const bytes = Buffer.concat(parts);
    const tooLong = size > MOST_BYTES;
    parts = [];
    size = 0;
    if (tooLong) return { number, fault: 'too_long' };
    return read(number, bytes);
  }
  for await (const chunk of body) {
    let from = 0;
    for (let at = chunk.indexOf(NEWLINE); at >= 0; at = chunk.indexOf(NEWLINE, from)) {
      take(chunk.subarray(from, at));
      from = at + 1;
      const line = end();
      if (line) yield line;
    }
    take(chunk.subarray(from));
  }
  const last = size > 0 ? end() : undefined;
  if (last) yield last;

  function take(part: Buffer): void {
    size += part.length;
    if (size > MOST_BYTES) parts = [];
    else if (part.length > 0) parts.push(part);
  }
}

const UTF8 = new TextDecoder('utf-8', { fatal: true });

function read(number: number, bytes: Buffer): RawLine | undefined {
  try {
    const text = UTF8.decode(bytes).trim();
    return text === '' ? undefined : { number, text };
  } catch {
    return { number, fault: 'not_utf8' };
  }
}
