import { en } from './en.ts';

export type MessageKey = keyof typeof en;
export type MessageValues = Readonly<Record<string, string | number>>;
/** A text to be shown: its key, or its key with the values it speaks of. */
export type Note = MessageKey | { key: MessageKey; values?: MessageValues | undefined };
/** What another language has to bring: the same keys, with the plural forms its grammar needs. */
export type Messages = Readonly<Record<MessageKey, string | ({ other: string } & Partial<Record<Intl.LDMLPluralRule, string>>)>>;

const CATALOGUES: Readonly<Record<string, Messages>> = { en };
export const DEFAULT_LOCALE = 'en';

export const isMessageKey = (text: string): text is MessageKey => Object.hasOwn(en, text);

/**
 * The text of `key` in `locale`, with `{name}` replaced from `values`. A plural form is picked by `values.count`.
 * The result is plain text: whoever puts it into HTML encodes it. An unknown locale reads as English.
 */
export function message(locale: string, key: MessageKey, values: MessageValues = {}): string {
  const known = Object.hasOwn(CATALOGUES, locale) ? locale : DEFAULT_LOCALE;
  const found = CATALOGUES[known]![key];
  const text = typeof found === 'string' ? found : (found[pluralRule(known, Number(values['count'] ?? 0))] ?? found.other);
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => (Object.hasOwn(values, name) ? String(values[name]) : whole));
}

/** The text of a note, see `message`. */
export const noteText = (locale: string, note: Note): string =>
  typeof note === 'string' ? message(locale, note) : message(locale, note.key, note.values);

/**
 * The first language of an `Accept-Language` header (RFC 9110 section 12.5.4) or of `ui_locales` (OpenID Connect Core 3.1.2.1)
 * that there are texts in, else the default.
 */
export function pickLocale(...wishes: readonly (string | undefined)[]): string {
  for (const wish of wishes) {
    const tags = (wish ?? '')
      .slice(0, 256)
      .split(/[\s,]+/)
      .map(weighted)
      .filter((tag) => tag.weight > 0);
    const found = tags.sort((a, b) => b.weight - a.weight).find((tag) => Object.hasOwn(CATALOGUES, tag.language));
    if (found) return found.language;
  }
  return DEFAULT_LOCALE;
}

function weighted(part: string): { language: string; weight: number } {
  const [tag = '', quality] = part.split(';');
  const weight = quality?.startsWith('q=') ? Number(quality.slice(2)) : 1;
  return { language: tag.split('-')[0]!.toLowerCase(), weight: Number.isFinite(weight) ? weight : 0 };
}

const rules = new Map<string, Intl.PluralRules>();

function pluralRule(locale: string, count: number): Intl.LDMLPluralRule {
  const rule = rules.get(locale) ?? new Intl.PluralRules(locale);
  rules.set(locale, rule);
  return rule.select(count);
}
