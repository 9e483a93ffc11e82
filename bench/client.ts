/** A relying party and a browser, as little as the flows need, over kept connections. */
import { createHash, randomBytes } from 'node:crypto';
import { Pool } from 'undici';

export interface Answer {
  status: number;
  location: string | undefined;
  body: string;
}

type Fields = Readonly<Record<string, string>>;

export class Wire {
  readonly origin: string;
  readonly #pool: Pool;

  constructor(origin: string) {
    this.origin = origin;
    this.#pool = new Pool(origin, { connections: 16, pipelining: 1 });
  }

  async send(method: 'GET' | 'POST', path: string, headers: Fields = {}, form?: Fields, jar?: Jar): Promise<Answer> {
    const {
      statusCode,
      headers: got,
      body,
    } = await this.#pool.request({
      method,
      path,
      headers: {
        ...headers,
        ...(form ? { 'content-type': 'application/x-www-form-urlencoded' } : {}),
        ...(jar ? { cookie: jar.header(path) } : {}),
      },
      body: form ? new URLSearchParams(form).toString() : null,
    });
    jar?.take([got['set-cookie'] ?? []].flat());
    const location = got['location'];
    return { status: statusCode, location: typeof location === 'string' ? location : undefined, body: await body.text() };
  }

  close(): Promise<void> {
    return this.#pool.close();
  }
}

/** Cookies by name and path. */
export class Jar {
  readonly #cookies = new Map<string, { name: string; value: string; path: string }>();

  take(lines: readonly string[]): void {
    for (const line of lines) {
      const [pair = '', ...attributes] = line.split(/;\s*/);
      const path = attributes.find((one) => /^path=/i.test(one))?.slice(5) ?? '/';
      const [name = '', value = ''] = [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)];
      if (value === '' || /expires=Thu, 01 Jan 1970/i.test(line)) this.#cookies.delete(`${name};${path}`);
      else this.#cookies.set(`${name};${path}`, { name, value, path });
    }
  }

  /** A jar with the cookies of that name, which later ones do not get into. */
  only(name: string): Jar {
    const jar = new Jar();
    for (const [key, cookie] of this.#cookies) if (cookie.name === name) jar.#cookies.set(key, cookie);
    return jar;
  }

  header(path: string): string {
    return [...this.#cookies.values()]
      .filter((cookie) => path.startsWith(cookie.path))
      .map(({ name, value }) => `${name}=${value}`)
      .join('; ');
  }
}

export interface Pkce {
  verifier: string;
  challenge: string;
}

export function pkce(): Pkce {
  const verifier = randomBytes(32).toString('base64url');
  return { verifier, challenge: createHash('sha256').update(verifier).digest('base64url') };
}

export const basic = (id: string, secret: string): Fields => ({
  authorization: `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}`,
});

export function expectStatus(answer: Answer, status: number, what: string): Answer {
  if (answer.status !== status) throw new Error(`${what}: expected ${status}, got ${answer.status}: ${answer.body.slice(0, 300)}`);
  return answer;
}
