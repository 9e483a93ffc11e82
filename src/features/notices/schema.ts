import { type Static, type TOptional, type TSchema, Type } from '@sinclair/typebox';
import { LOCALES } from '../../core/messages/catalogue.ts';
import { PAGE_QUERY, pageSchema } from '../../http/paging.ts';

const KIND = Type.Union([Type.Literal('terms'), Type.Literal('privacy')]);
const LABEL = Type.String({
  minLength: 1,
  maxLength: 60,
  pattern: '^[^\\p{Cc}<>]+$',
  description: 'The version, as people read it, e.g. `2026-11`',
});
const URL_TEXT = Type.String({ pattern: '^https?://[^\\s"<>\\\\]+$', maxLength: 2000, description: 'Where the text can be read' });

const inLanguages = <T extends TSchema>(schema: T) =>
  Type.Object(Object.fromEntries(LOCALES.map((locale) => [locale, Type.Optional(schema)])) as Record<string, TOptional<T>>, {
    description: 'Where the text can be read in a language; in others it is at `url`',
    additionalProperties: false,
  });
const URLS = inLanguages(URL_TEXT);

export const NOTICE_INPUT = Type.Object({ kind: KIND, label: LABEL, url: URL_TEXT, urls: Type.Optional(URLS) });
export type NoticeInput = Static<typeof NOTICE_INPUT>;

/** For PUT: kind and version stay where they are left out, other languages do not. */
export const NOTICE_REPLACEMENT = Type.Object({
  kind: Type.Optional(KIND),
  label: Type.Optional(LABEL),
  url: URL_TEXT,
  urls: Type.Optional(URLS),
});

export const NOTICE_PATCH = Type.Partial(
  Type.Object({ kind: KIND, label: LABEL, url: URL_TEXT, urls: inLanguages(Type.Union([URL_TEXT, Type.Null()])) }),
);
export type NoticePatch = Static<typeof NOTICE_PATCH>;

export const NOTICE = Type.Object({
  id: Type.String(),
  kind: KIND,
  label: Type.String(),
  url: Type.String(),
  urls: Type.Record(Type.String(), Type.String()),
  publishedAt: Type.Union([Type.String({ format: 'date-time' }), Type.Null()]),
  createdAt: Type.String({ format: 'date-time' }),
  updatedAt: Type.String({ format: 'date-time' }),
});
export type NoticeView = Static<typeof NOTICE>;

export const NOTICE_PAGE = pageSchema(NOTICE);
export const NOTICE_QUERY = Type.Object({ ...PAGE_QUERY, kind: Type.Optional(KIND) });

export const AGREEMENT = Type.Object({
  noticeId: Type.String(),
  kind: KIND,
  label: Type.String(),
  url: Type.String(),
  urls: Type.Record(Type.String(), Type.String()),
  tenantId: Type.String(),
  tenantName: Type.String(),
  agreedAt: Type.String({ format: 'date-time' }),
  withdrawnAt: Type.Union([Type.String({ format: 'date-time' }), Type.Null()]),
});
export const AGREEMENTS = Type.Object({ items: Type.Array(AGREEMENT), nextCursor: Type.Null() });
