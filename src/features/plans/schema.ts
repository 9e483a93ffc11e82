import { type Static, type TOptional, Type } from '@sinclair/typebox';
import { METRICS, type Metric } from '../../core/tenant-limits.ts';
import { PAGE_QUERY, pageSchema } from '../../http/paging.ts';

const LIMIT = Type.Union([Type.Integer({ minimum: 0, maximum: 1_000_000_000_000 }), Type.Null()]);
const limitsOf = (description: string) =>
  Type.Object(Object.fromEntries(METRICS.map((metric) => [metric, Type.Optional(LIMIT)])) as Record<Metric, TOptional<typeof LIMIT>>, {
    description,
  });

const NAME = Type.String({ minLength: 1, maxLength: 200, pattern: '\\S', description: 'Unique in the installation' });
const DESCRIPTION = Type.Union([Type.String({ maxLength: 1000 }), Type.Null()]);
const FEATURES = Type.Record(
  Type.String({ pattern: '^[A-Za-z][A-Za-z0-9_.-]{0,63}$' }),
  Type.Union([Type.Boolean(), Type.Number(), Type.String({ maxLength: 500 })]),
  { maxProperties: 100, description: 'What else the plan brings, for applications to read' },
);
const LIMITS = limitsOf('By metric; what is left out, or null, is without a limit');
const INSTANT = Type.String({ format: 'date-time' });
const maybe = <T extends ReturnType<typeof Type.String>>(schema: T) => Type.Union([schema, Type.Null()]);

export const PLAN_INPUT = Type.Object({
  name: NAME,
  description: Type.Optional(DESCRIPTION),
  limits: Type.Optional(LIMITS),
  features: Type.Optional(FEATURES),
});
export type PlanInput = Static<typeof PLAN_INPUT>;
/** For PUT: the same, and the name stays where it is left out. */
export const PLAN_REPLACEMENT = Type.Object({ ...PLAN_INPUT.properties, name: Type.Optional(NAME) });
export type PlanReplacement = Static<typeof PLAN_REPLACEMENT>;
export const PLAN_PATCH = Type.Object({
  name: Type.Optional(NAME),
  description: Type.Optional(DESCRIPTION),
  limits: Type.Optional(Type.Union([LIMITS, Type.Null()])),
  features: Type.Optional(Type.Union([Type.Record(Type.String({ maxLength: 64 }), Type.Unknown()), Type.Null()])),
});
export const PLAN = Type.Object({
  id: Type.String(),
  name: NAME,
  description: DESCRIPTION,
  limits: LIMITS,
  features: FEATURES,
  createdAt: INSTANT,
  updatedAt: INSTANT,
});
export type PlanView = Static<typeof PLAN>;
export const PLAN_PAGE = pageSchema(PLAN);
export const PLAN_QUERY = Type.Object({ ...PAGE_QUERY, name: Type.Optional(Type.String({ minLength: 1, maxLength: 200 })) });

const STATUS = Type.Union(
  (['trialing', 'active', 'past_due', 'canceled'] as const).map((name) => Type.Literal(name)),
  { description: 'The plan’s limits hold while it is `trialing`, `active` or `past_due`' },
);
export const SUBSCRIPTION_INPUT = Type.Object({
  planId: Type.String({ minLength: 1, maxLength: 64 }),
  status: Type.Optional(STATUS),
  startsAt: Type.Optional(Type.String({ format: 'date-time', description: 'Now, where it is left out' })),
  endsAt: Type.Optional(maybe(INSTANT)),
});
export type SubscriptionInput = Static<typeof SUBSCRIPTION_INPUT>;
export const SUBSCRIPTION = Type.Object({
  tenantId: Type.String(),
  planId: Type.String(),
  planName: Type.String(),
  status: Type.Union([...STATUS.anyOf, Type.Literal('expired')]),
  startsAt: INSTANT,
  endsAt: maybe(INSTANT),
  features: FEATURES,
  createdAt: INSTANT,
  updatedAt: INSTANT,
});
export type SubscriptionView = Static<typeof SUBSCRIPTION>;

export const OWN_LIMITS = limitsOf('Instead of the plan’s, by metric; null lifts what the plan says');
export const LIMITS_INPUT = Type.Object({ limits: OWN_LIMITS });
export const LIMITS_VIEW = Type.Object({
  limits: OWN_LIMITS,
  plan: LIMITS,
  effective: limitsOf('What holds: the plan’s, overlaid by the tenant’s own; what is left out is without a limit'),
});
