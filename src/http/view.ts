import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Eta } from 'eta';
import type { Context } from 'koa';
import type { Clock } from '../core/clock.ts';
import {
  DEFAULT_LOCALE,
  isMessageKey,
  type MessageKey,
  type MessageValues,
  message,
  type Note,
  noteText,
} from '../core/messages/catalogue.ts';
import { deviceName } from '../core/messages/device.ts';
import { formatInstant, formatPassed, formatSeconds } from '../core/messages/time.ts';
import { type AssetName, assetUrl } from './assets.ts';
import type { Brand, CommonPages, PageBase, PageChallenge } from './pages.ts';
import { themeUrl } from './theme.ts';

export interface ViewOptions {
  clock: Clock;
  /** Folders of `.eta` templates beside those of `http/views`; names are unique across all of them. */
  folders?: readonly URL[];
  /** The name people see on top where a page says nothing; `Gatehouse` where this does not either. */
  brand?: string;
}

export interface View {
  /** A whole HTML page. Values are HTML-encoded by the templates. Throws where no template has that name. */
  render(name: string, data: PageBase): string;
}

export interface PageOptions {
  status?: number | undefined;
  /** Where a form of the page may lead by way of redirects, e.g. the client's redirect URI; see `pageCsp`. */
  formAction?: readonly string[] | undefined;
}

const OWN_FOLDER = new URL('./views/', import.meta.url);
/** A redirect is matched by its origin, or by its scheme where it is an app's own (RFC 8252 section 7.1). */
const SOURCE = /^[a-z][a-z0-9+.-]*:(\/\/[a-z0-9.:[\]-]+)?$/;
const NEVER_FORM_TARGETS = new Set(['javascript:', 'data:', 'blob:', 'vbscript:', 'file:']);

/** Loads and compiles every template once. Throws at start where one is broken or a name is taken twice. */
export function createView({ clock, folders = [], brand }: ViewOptions): View {
  // Helpers are named in the header so that templates, parts and the layout read alike.
  const eta = new Eta({
    autoEscape: true,
    functionHeader: 'const { t, text, time, seconds, scopeName, deviceName, asset, brand, theme } = it.$;',
  });
  const names = new Set<string>();
  for (const folder of [OWN_FOLDER, ...folders]) {
    for (const file of readdirSync(folder).filter((entry) => entry.endsWith('.eta'))) {
      const name = file.slice(0, -'.eta'.length);
      if (names.has(name)) throw new Error(`Two templates are named ${name}: ${fileURLToPath(folder)}`);
      names.add(name);
      eta.loadTemplate(`@${name}`, readFileSync(new URL(file, folder), 'utf8'));
    }
  }
  return {
    render(name, data) {
      if (!names.has(name)) throw new Error(`No template is named ${name}`);
      const locale = data.locale ?? DEFAULT_LOCALE;
      const own = { ...data.brand, name: data.brand?.name ?? brand ?? message(locale, 'brand.name') };
      return eta.render(`@${name}`, { ...data, locale, brand: own, installation: !data.brand?.name, $: helpersOf(locale, clock, own) });
    },
  };
}

const brands = new WeakMap<Context['req'], Brand>();

/** Says whose pages this request's answers are, where they do not say so themselves. */
export const setBrand = (ctx: Pick<Context, 'req'>, brand: Brand): void => void brands.set(ctx.req, brand);

const brandOf = (ctx: Context): Brand | undefined => brands.get(ctx.req);

const challenges = new WeakMap<Context['req'], PageChallenge>();

/** What the browser has to work on before it sends the form of the page that this request is answered with. */
export const setChallenge = (ctx: Pick<Context, 'req'>, challenge: PageChallenge): void => void challenges.set(ctx.req, challenge);

/** Answers with a page: HTML, never stored, under the page's own content security policy. Status 200 where nothing is said. */
export function renderPage(ctx: Context, view: View, name: string, data: PageBase, options: PageOptions = {}): void {
  const body = view.render(name, { ...data, brand: data.brand ?? brandOf(ctx), challenge: challenges.get(ctx.req) ?? data.challenge });
  ctx.status = options.status ?? 200;
  ctx.set('content-type', 'text/html; charset=utf-8');
  ctx.set('cache-control', 'no-store');
  ctx.set('content-security-policy', pageCsp(options.formAction ?? []));
  ctx.body = body;
}

/** `renderPage` for the pages of this level, with their data checked by type. */
export const showCommonPage = <Name extends keyof CommonPages>(
  ctx: Context,
  view: View,
  name: Name,
  data: CommonPages[Name],
  options?: PageOptions,
): void => renderPage(ctx, view, name, data, options);

/**
 * The content security policy of a page (CSP Level 3): nothing inline, nothing from elsewhere, no framing.
 * `formActions` are addresses that a form's answer may redirect to, since browsers apply `form-action` to redirects as
 * well; only their origin (or an app's own scheme) is taken, and what is no address is left out.
 */
export function pageCsp(formActions: readonly string[] = []): string {
  const targets = new Set(["'self'", ...formActions.map(sourceOf).filter((source) => source !== undefined)]);
  return [
    "default-src 'none'",
    "style-src 'self'",
    "script-src 'self'",
    "img-src 'self' data:",
    "connect-src 'self'",
    `form-action ${[...targets].join(' ')}`,
    "base-uri 'none'",
    "frame-ancestors 'none'",
    "object-src 'none'",
  ].join('; ');
}

function sourceOf(address: string): string | undefined {
  if (!URL.canParse(address)) return undefined;
  const { protocol, host } = new URL(address);
  const source = (protocol === 'https:' || protocol === 'http:' ? `${protocol}//${host}` : protocol).toLowerCase();
  return SOURCE.test(source) && !NEVER_FORM_TARGETS.has(source) ? source : undefined;
}

function helpersOf(locale: string, clock: Clock, brand: Brand & { name: string }) {
  return {
    brand: brand.name,
    theme: brand.color === undefined ? undefined : themeUrl(brand.color),
    t: (key: MessageKey, values?: MessageValues) => message(locale, key, values),
    text: (note: Note) => noteText(locale, note),
    /** `{ iso, full, passed }` of an instant: for machines, for the tooltip, and as people say it. */
    time: (at: Date) => ({ iso: at.toISOString(), full: formatInstant(locale, at), passed: formatPassed(locale, at, clock.now()) }),
    seconds: (count: number) => formatSeconds(locale, count),
    /** A scope in words where the catalogue has some, else its name. */
    scopeName: (scope: string) => {
      const key = `scope.${scope}`;
      return isMessageKey(key) ? message(locale, key) : scope;
    },
    deviceName: (userAgent: string) => deviceName(locale, userAgent),
    asset: (name: AssetName) => assetUrl(name),
  };
}
