import { de } from './de.ts';
import { en } from './en.ts';
import { fr } from './fr.ts';

export type MessageKey = keyof typeof en;
export type MessageValues = Readonly<Record<string, string | number>>;
/** A text to be shown: its key, or its key with the values it speaks of. */
export type Note = MessageKey | { key: MessageKey; values?: MessageValues | undefined };
/** What a language brings: the same keys, with the plural forms its grammar needs. What it lacks reads as English. */
export type Messages = Readonly<Partial<Record<MessageKey, string | ({ other: string } & Partial<Record<Intl.LDMLPluralRule, string>>)>>>;

export const CATALOGUES = { en, de, fr } as const satisfies Readonly<Record<string, Messages>>;
export type Locale = keyof typeof CATALOGUES;
export const DEFAULT_LOCALE = 'en';
/** Every language there are texts in, the default first. */
export const LOCALES = Object.keys(CATALOGUES) as readonly Locale[];
/** What each language calls itself. */
export const LANGUAGE_NAMES: Readonly<Record<Locale, string>> = { en: 'English', de: 'Deutsch', fr: 'Français' };

export const isMessageKey = (text: string): text is MessageKey => Object.hasOwn(en, text);

/**
 * The text of `key` in `locale`, with `{name}` replaced from `values`. A plural form is picked by `values.count`.
 * The result is plain text: whoever puts it into HTML encodes it. An unknown locale reads as English.
 */
export function message(locale: string, key: MessageKey, values: MessageValues = {}): string {
  const wanted = localeFor(locale);
  const catalogue: Messages = CATALOGUES[wanted];
  const [known, found] = catalogue[key] === undefined ? ([DEFAULT_LOCALE, en[key] as Text] as const) : ([wanted, catalogue[key]] as const);
  const text = typeof found === 'string' ? found : (found[pluralRule(known, Number(values['count'] ?? 0))] ?? found.other);
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => (Object.hasOwn(values, name) ? String(values[name]) : whole));
}

type Text = NonNullable<Messages[MessageKey]>;

/** `locale` where there are texts in it, else the default. Whatever depends on a language may be kept by it: there are only these few. */
export const localeFor = (locale: string): Locale => (Object.hasOwn(CATALOGUES, locale) ? (locale as Locale) : DEFAULT_LOCALE);

/** The text of a note, see `message`. */
export const noteText = (locale: string, note: Note): string =>
  typeof note === 'string' ? message(locale, note) : message(locale, note.key, note.values);

/**
 * The first language of an `Accept-Language` header (RFC 9110 section 12.5.4) or of `ui_locales` (OpenID Connect Core 3.1.2.1)
 * that there are texts in, else the default.
 */
export function pickLocale(...wishes: readonly (string | undefined)[]): Locale {
  for (const wish of wishes) {
    const tags = (wish ?? '')
      .slice(0, 256)
      .split(/[\s,]+/)
      .map(weighted)
      .filter((tag) => tag.weight > 0);
    const found = tags.sort((a, b) => b.weight - a.weight).find((tag) => Object.hasOwn(CATALOGUES, tag.language));
    if (found) return localeFor(found.language);
  }
  return DEFAULT_LOCALE;
}

function weighted(part: string): { language: string; weight: number } {
  const [tag = '', quality] = part.split(';');
  const weight = quality?.startsWith('q=') ? Number(quality.slice(2)) : 1;
  return { language: tag.split('-')[0]!.toLowerCase(), weight: Number.isFinite(weight) ? weight : 0 };
}

const rules = new Map<Locale, Intl.PluralRules>();

function pluralRule(locale: Locale, count: number): Intl.LDMLPluralRule {
  const rule = rules.get(locale) ?? new Intl.PluralRules(locale);
  rules.set(locale, rule);
  return rule.select(count);
}
