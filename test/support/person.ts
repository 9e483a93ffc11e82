/** A person at a screenless browser: reads the page that is shown, fills in its one form, presses its button. */
import assert from 'node:assert/strict';
import type { Browser, Page } from './browser.ts';

export interface Form {
  action: string;
  /** Hidden fields and prefilled ones, as found. */
  fields: Record<string, string>;
  /** Buttons that carry a name. */
  buttons: { name: string; value: string }[];
}

const decode = (text: string): string =>
  text.replace(/&(amp|lt|gt|quot|#39|#x27);/g, (_, name: string) => ({ amp: '&', lt: '<', gt: '>', quot: '"' })[name] ?? "'");

const attribute = (tag: string, name: string): string | undefined => {
  const found = new RegExp(`\\s${name}="([^"]*)"`).exec(tag)?.[1];
  return found === undefined ? undefined : decode(found);
};

/** The first form of a page. Fails where it has none. */
export function formOf(page: Page): Form {
  const html = /<form\b[\s\S]*?<\/form>/.exec(page.text)?.[0];
  assert.ok(html, `no form on ${page.url} (${page.status}):\n${page.text}`);
  const fields: Form['fields'] = {};
  for (const [tag] of html.matchAll(/<input\b[^>]*>/g)) {
    const name = attribute(tag, 'name');
    if (name) fields[name] = attribute(tag, 'value') ?? '';
  }
  const buttons = [...html.matchAll(/<button\b[^>]*>/g)].flatMap(([tag]) => {
    const name = attribute(tag, 'name');
    return name ? [{ name, value: attribute(tag, 'value') ?? '' }] : [];
  });
  return { action: new URL(attribute(html, 'action') ?? page.url, page.url).href, fields, buttons };
}

/** Fills in the form of `page` and sends it; answers where that led. */
export async function submit(browser: Browser, page: Page, values: Record<string, string>): Promise<{ location?: URL; page?: Page }> {
  const { action, fields } = formOf(page);
  const response = await browser.post(action, { ...fields, ...values });
  const location = response.headers.get('location');
  if (!location) return { page: { url: action, status: response.status, text: await response.text(), headers: response.headers } };
  await response.arrayBuffer();
  const next = new URL(location, action);
  return next.origin === new URL(browser.base).origin ? browser.go(next.href) : { location: next };
}

export interface Credentials {
  login: string;
  password: string;
}

/** What was asked on the way. */
export type Asked = 'login' | 'consent' | 'logout';

/**
 * Goes to `url` and answers what is asked (signs in, allows, confirms a logout) until the browser is sent to another
 * server, or a page has nothing of that to answer.
 */
export async function visit(browser: Browser, url: string, person?: Credentials): Promise<{ location?: URL; page?: Page; asked: Asked[] }> {
  const asked: Asked[] = [];
  let at = await browser.go(url);
  for (let steps = 0; at.page && steps < 8; steps += 1) {
    const [what, values] = answerTo(at.page, person);
    if (!what) break;
    asked.push(what);
    at = await submit(browser, at.page, values);
  }
  return { ...at, asked };
}

function answerTo(page: Page, person: Credentials | undefined): [Asked | undefined, Record<string, string>] {
  if (!page.text.includes('<form')) return [undefined, {}];
  const { fields, buttons } = formOf(page);
  if ('login' in fields && 'password' in fields) {
    if (!person || page.text.includes('role="alert"')) return [undefined, {}];
    return ['login', { ...person }];
  }
  if (buttons.some(({ name, value }) => name === 'decision' && value === 'allow')) return ['consent', { decision: 'allow' }];
  const logout = buttons.find(({ name }) => name === 'logout');
  return logout ? ['logout', { [logout.name]: logout.value }] : [undefined, {}];
}
