/**
 * A tenant's colour as a stylesheet. The colour itself is kept on buttons; what has to be read on or beside it is computed, so that every
 * pair has the contrast of WCAG 2.2 (1.4.3: 4.5:1 for text, 1.4.11: 3:1 for the edge of a control), in light and dark, whatever the colour.
 */
import { createHash } from 'node:crypto';

type Rgb = readonly [number, number, number];

/** What text stands on: card, page and soft background of app.css. */
const LIGHT: readonly Rgb[] = ['#ffffff', '#f6f7f9', '#f1f2f6'].map(parse);
const DARK: readonly Rgb[] = ['#171a20', '#0e1014', '#1f232b'].map(parse);
const BLACK: Rgb = [0, 0, 0];
const WHITE: Rgb = [255, 255, 255];
const TEXT_CONTRAST = 4.5;
const EDGE_CONTRAST = 3;

export interface ThemeColors {
  accent: string;
  /** Of the button under the pointer. */
  accentStrong: string;
  onAccent: string;
  /** Links, rings around what has the focus, marks of what is chosen. */
  link: string;
  /** The edge of the main button; none where the colour stands out by itself. */
  edge: string | undefined;
}

/** The colours of one scheme, computed from `#rrggbb`. */
export function themeColors(color: string, scheme: 'light' | 'dark'): ThemeColors {
  const accent = parse(color);
  const grounds = scheme === 'light' ? LIGHT : DARK;
  const far = scheme === 'light' ? BLACK : WHITE;
  const onAccent = ratio(accent, WHITE) >= TEXT_CONTRAST ? WHITE : BLACK;
  return {
    accent: hex(accent),
    accentStrong: hex(mix(accent, onAccent === WHITE ? BLACK : WHITE, 0.14)),
    onAccent: hex(onAccent),
    link: hex(until(accent, far, (one) => grounds.every((ground) => ratio(one, ground) >= TEXT_CONTRAST))),
    edge: grounds.every((ground) => ratio(accent, ground) >= EDGE_CONTRAST)
      ? undefined
      : hex(until(accent, far, (one) => grounds.every((ground) => ratio(one, ground) >= EDGE_CONTRAST))),
  };
}

/** The contrast of two colours, `#rrggbb` (WCAG 2.2, relative luminance): 1 to 21. */
export const contrast = (one: string, other: string): number => ratio(parse(one), parse(other));

/** The stylesheet that stands after app.css. Nothing of what was given but the six digits gets into it. */
export function themeCss(color: string): string {
  const rules = (scheme: 'light' | 'dark'): string => {
    const { accent, accentStrong, onAccent, link, edge } = themeColors(color, scheme);
    return `--accent:${accent};--accent-strong:${accentStrong};--on-accent:${onAccent};--link:${link};--accent-edge:${edge ?? 'transparent'}`;
  };
  return `:root{${rules('light')}}\n@media (prefers-color-scheme:dark){:root{${rules('dark')}}.button.primary:hover{--accent-strong:${themeColors(color, 'dark').accentStrong}}}\n`;
}

// Another way of computing is another address.
const VERSION = createHash('sha256').update(['#000000', '#ffd600', '#808080'].map(themeCss).join('')).digest('hex').slice(0, 8);
const PATH = /^\/assets\/theme-([0-9a-f]{6})-([0-9a-f]{8})\.css$/;

export const isColor = (text: string): boolean => /^#[0-9a-f]{6}$/i.test(text);

/** The address of the stylesheet of `#rrggbb`; undefined for what is no such colour. */
export const themeUrl = (color: string): string | undefined =>
  isColor(color) ? `/assets/theme-${color.slice(1).toLowerCase()}-${VERSION}.css` : undefined;

/** The stylesheet at a path; `current` where it may be kept for good. Undefined where the path is none. */
export function themeAt(path: string): { css: string; current: boolean } | undefined {
  const [, color, version] = PATH.exec(path) ?? [];
  return color === undefined ? undefined : { css: themeCss(`#${color}`), current: version === VERSION };
}

function parse(color: string): Rgb {
  const value = Number.parseInt(color.slice(1), 16);
  return [(value >> 16) & 255, (value >> 8) & 255, value & 255];
}

function hex(color: Rgb): string {
  return `#${color.map((part) => part.toString(16).padStart(2, '0')).join('')}`;
}

function mix(from: Rgb, to: Rgb, share: number): Rgb {
  const part = (at: 0 | 1 | 2): number => Math.round(from[at] + (to[at] - from[at]) * share);
  return [part(0), part(1), part(2)];
}

/** The nearest to `from` on the way to `to` that will do; `to` always does. */
function until(from: Rgb, to: Rgb, enough: (color: Rgb) => boolean): Rgb {
  for (let step = 0; step < 50; step += 1) {
    const color = mix(from, to, step / 50);
    if (enough(color)) return color;
  }
  return to;
}

function ratio(one: Rgb, other: Rgb): number {
  const [lighter, darker] = [luminance(one), luminance(other)].sort((a, b) => b - a);
  return (lighter! + 0.05) / (darker! + 0.05);
}

function luminance(color: Rgb): number {
  const [red, green, blue] = color.map((part) => {
    const share = part / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red! + 0.7152 * green! + 0.0722 * blue!;
}
