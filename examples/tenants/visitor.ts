/** Somebody at a browser without a screen: keeps cookies, follows redirects, reads the one form of a page and sends it. */

export interface Shown {
  url: URL;
  status: number;
  html: string;
}

export class Visitor {
  readonly #origin: string;
  readonly #cookies = new Map<string, { value: string; path: string }>();

  constructor(origin: string) {
    this.#origin = origin;
  }

  /** Opens an address and answers the page that is shown, or the address outside of the server that the browser was sent to. */
  async open(address: string | URL, form?: Record<string, string>): Promise<Shown | URL> {
    let url = new URL(address, this.#origin);
    let body = form;
    for (let hops = 0; hops < 20; hops += 1) {
      const response = await fetch(url, {
        redirect: 'manual',
        headers: { cookie: this.#cookiesFor(url), ...(body ? { 'content-type': 'application/x-www-form-urlencoded' } : {}) },
        ...(body ? { method: 'POST', body: new URLSearchParams(body) } : {}),
      });
      for (const line of response.headers.getSetCookie()) this.#keep(line);
      const html = await response.text();
      const location = response.headers.get('location');
      if (location === null) return { url, status: response.status, html };
      url = new URL(location, url);
      body = undefined;
      if (url.origin !== this.#origin) return url;
    }
    throw new Error('too many redirects');
  }

  /** Fills in the page's form, hidden fields as they are, and sends it. */
  send(page: Shown, fields: Record<string, string>): Promise<Shown | URL> {
    const form = formsOf(page.html)[0];
    if (form === undefined) throw new Error(`no form at ${page.url.pathname}:\n${wordsOf(page.html)}`);
    return this.open(new URL(form.action ?? page.url, page.url), { ...form.hidden, ...fields });
  }

  /** Follows the first link whose address contains `part`. */
  follow(page: Shown, part: string): Promise<Shown | URL> {
    const href = [...page.html.matchAll(/<a\b[^>]*\bhref="([^"]*)"/g)]
      .map(([, found = '']) => decode(found))
      .find((found) => found.includes(part));
    if (href === undefined) throw new Error(`no link to ${part} at ${page.url.pathname}`);
    return this.open(new URL(href, page.url));
  }

  #cookiesFor({ pathname }: URL): string {
    const those = [...this.#cookies].filter(([, { path }]) => pathname.startsWith(path));
    return those.map(([key, { value }]) => `${key.split(' ')[0]}=${value}`).join('; ');
  }

  #keep(line: string): void {
    const [pair = '', ...attributes] = line.split(';').map((part) => part.trim());
    const [name = '', value = ''] = [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)];
    const path = attributes.find((one) => /^path=/i.test(one))?.slice(5) ?? '/';
    if (value === '' || /expires=Thu, 01 Jan 1970/i.test(line)) this.#cookies.delete(`${name} ${path}`);
    else this.#cookies.set(`${name} ${path}`, { value, path });
  }
}

interface Form {
  action: string | undefined;
  /** With what is in them. */
  hidden: Record<string, string>;
  fields: string[];
}

export function formsOf(html: string): Form[] {
  return [...html.matchAll(/<form\b[^>]*>[\s\S]*?<\/form>/g)].map(([form]) => {
    const inputs = [...form.matchAll(/<input\b[^>]*>/g)].map(([tag]) => ({
      name: attribute(tag, 'name') ?? '',
      value: attribute(tag, 'value') ?? '',
      hidden: attribute(tag, 'type') === 'hidden',
    }));
    return {
      action: attribute(form, 'action'),
      hidden: Object.fromEntries(inputs.filter(({ hidden }) => hidden).map(({ name, value }) => [name, value])),
      fields: inputs.map(({ name }) => name),
    };
  });
}

/** What a page says, less its markup. */
export const wordsOf = (html: string): string =>
  decode(html.replace(/<(script|style|head)\b[\s\S]*?<\/\1>/g, ' ').replace(/<[^>]+>/g, ' '))
    .replace(/\s+/g, ' ')
    .trim();

const attribute = (tag: string, name: string): string | undefined => {
  const found = new RegExp(`\\s${name}="([^"]*)"`).exec(tag)?.[1];
  return found === undefined ? undefined : decode(found);
};

const ENTITIES: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', '#39': "'", '#x27': "'" };
const decode = (text: string): string => text.replace(/&(amp|lt|gt|quot|#39|#x27);/g, (_, name: string) => ENTITIES[name] ?? '');
