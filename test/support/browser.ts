/** A browser without a screen: keeps cookies by path, follows redirects within its server. */
export interface Page {
  url: string;
  status: number;
  text: string;
  headers: Headers;
}

export class Browser {
  /** By name and path. */
  readonly jar = new Map<string, { value: string; path: string }>();
  readonly base: string;
  readonly headers: Readonly<Record<string, string>>;
  /** The address to send to where the host in `base` has none: a trusted proxy, as it were. */
  readonly via: string | undefined;

  constructor(base: string, headers: Readonly<Record<string, string>> = {}, via?: string) {
    this.base = base;
    this.headers = headers;
    this.via = via;
  }

  /** A second one with the same cookies, as they are now. */
  clone(): Browser {
    const copy = new Browser(this.base, this.headers, this.via);
    for (const [key, cookie] of this.jar) copy.jar.set(key, cookie);
    return copy;
  }

  cookie(name: string): string | undefined {
    return [...this.jar].find(([key]) => key.startsWith(`${name}|`))?.[1].value;
  }

  /** One request with the cookies that belong to its path; redirects are not followed. */
  async request(url: string, init: RequestInit = {}): Promise<Response> {
    const target = new URL(url, this.base);
    const cookie = [...this.jar]
      .filter(([, { path }]) => target.pathname.startsWith(path))
      .map(([key, { value }]) => `${key.split('|')[0]}=${value}`)
      .join('; ');
    const headers = new Headers(init.headers);
    for (const [name, value] of Object.entries(this.headers)) if (!headers.has(name)) headers.set(name, value);
    if (cookie) headers.set('cookie', cookie);
    if (this.via && !headers.has('x-forwarded-host')) headers.set('x-forwarded-host', target.host);
    const response = await fetch(this.via ? new URL(target.pathname + target.search, this.via) : target, {
      redirect: 'manual',
      ...init,
      headers,
    });
    for (const line of response.headers.getSetCookie()) this.#keep(line);
    return response;
  }

  /** A form, posted. */
  post(url: string, fields: Record<string, string>): Promise<Response> {
    return this.request(url, {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams(fields).toString(),
    });
  }

  /** Follows redirects until they leave the server or a page answers. Throws after fifteen. */
  async go(url: string): Promise<{ location?: URL; page?: Page }> {
    let at = new URL(url, this.base).href;
    for (let hops = 0; hops < 15; hops += 1) {
      const response = await this.request(at);
      const location = response.headers.get('location');
      if (!location) return { page: { url: at, status: response.status, text: await response.text(), headers: response.headers } };
      await response.arrayBuffer();
      const next = new URL(location, at);
      if (next.origin !== new URL(this.base).origin) return { location: next };
      at = next.href;
    }
    throw new Error('too many redirects');
  }

  #keep(line: string): void {
    const [pair = '', ...attributes] = line.split(';').map((part) => part.trim());
    const at = pair.indexOf('=');
    const path = attributes.find((attribute) => attribute.toLowerCase().startsWith('path='))?.slice(5) ?? '/';
    const key = `${pair.slice(0, at)}|${path}`;
    const value = pair.slice(at + 1);
    if (!value || /expires=Thu, 01 Jan 1970/i.test(line)) this.jar.delete(key);
    else this.jar.set(key, { value, path });
  }
}
