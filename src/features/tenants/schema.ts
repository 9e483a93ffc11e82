import { type Static, type TOptional, Type } from '@sinclair/typebox';
import { METRICS, type Metric } from '../../core/tenant-limits.ts';
import { PAGE_QUERY, pageSchema } from '../../http/paging.ts';
import { TENANT_SETTINGS } from './settings.ts';

const LIMIT = Type.Union([Type.Integer({ minimum: 0, maximum: 1_000_000_000_000 }), Type.Null()]);
/** By metric; null is without a limit, what is left out is as it would be without this. */
export const LIMITS = Type.Object(
  Object.fromEntries(METRICS.map((metric) => [metric, Type.Optional(LIMIT)])) as Record<Metric, TOptional<typeof LIMIT>>,
  { description: 'By metric; null: unlimited' },
);

export const TYPE = Type.Union([Type.Literal('personal'), Type.Literal('team'), Type.Literal('enterprise')]);
export const ANY_TYPE = Type.Union([...TYPE.anyOf, Type.Literal('root')]);
export const STATUS = Type.Union([Type.Literal('active'), Type.Literal('suspended'), Type.Literal('deleted')]);
const NAME = Type.String({ minLength: 1, maxLength: 200, pattern: '\\S' });
const SLUG = Type.String({
  pattern: '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9]|)$',
  description: 'Unique in the installation; lower case letters, digits and hyphens',
});

export const TENANT_INPUT = Type.Object({
  name: NAME,
  slug: Type.Optional(Type.String({ ...SLUG, description: 'Made from the name where it is left out' })),
  type: Type.Optional(Type.Union([...TYPE.anyOf], { description: 'The template’s, or `team`, where it is left out' })),
  templateId: Type.Optional(Type.String({ minLength: 1, maxLength: 64 })),
  settings: Type.Optional(TENANT_SETTINGS),
  ownerId: Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: 64,
      description: 'A person of the installation, who becomes its owner; the caller, where it is a person and nobody is named',
    }),
  ),
  ownerEmail: Type.Optional(Type.String({ minLength: 3, maxLength: 320, description: 'Who is invited as its owner' })),
});
export type TenantInput = Static<typeof TENANT_INPUT>;

export const TENANT_REPLACEMENT = Type.Object({
  name: NAME,
  slug: Type.Optional(SLUG),
  type: Type.Optional(TYPE),
  settings: Type.Optional(TENANT_SETTINGS),
});
export type TenantReplacement = Static<typeof TENANT_REPLACEMENT>;

/** `settings` is judged after it was merged: in a patch, null removes. */
export const TENANT_PATCH = Type.Object({
  name: Type.Optional(NAME),
  slug: Type.Optional(SLUG),
  type: Type.Optional(TYPE),
  settings: Type.Optional(Type.Union([Type.Record(Type.String({ maxLength: 64 }), Type.Unknown()), Type.Null()])),
});
export type TenantPatch = Static<typeof TENANT_PATCH>;

export const TENANT = Type.Object({
  id: Type.String(),
  name: Type.String(),
  slug: Type.String(),
  type: ANY_TYPE,
  status: STATUS,
  statusReason: Type.Union([Type.String(), Type.Null()]),
  settings: TENANT_SETTINGS,
  deletedAt: Type.Union([Type.String({ format: 'date-time' }), Type.Null()]),
  purgeAfter: Type.Union([Type.String({ format: 'date-time' }), Type.Null()], {
    description: 'From then on it can no longer be restored, and everything of it goes',
  }),
  createdAt: Type.String({ format: 'date-time' }),
  updatedAt: Type.String({ format: 'date-time' }),
});
export type TenantView = Static<typeof TENANT>;

export const TENANT_PAGE = pageSchema(TENANT);
export const TENANT_QUERY = Type.Object({
  ...PAGE_QUERY,
  type: Type.Optional(ANY_TYPE),
  status: Type.Optional(STATUS),
  slug: Type.Optional(Type.String({ minLength: 1, maxLength: 63 })),
  q: Type.Optional(Type.String({ minLength: 1, maxLength: 200, description: 'With what the name begins; capitals or not' })),
});

export const REASON = Type.Object({ reason: Type.Optional(Type.String({ maxLength: 500 })) });
