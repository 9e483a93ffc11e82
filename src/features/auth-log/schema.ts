import { type Static, Type } from '@sinclair/typebox';
import { PAGE_QUERY, pageSchema } from '../../http/paging.ts';
import { ID } from '../../http/route.ts';

const INSTANT = Type.String({ format: 'date-time' });
const OUTCOME = Type.Union([Type.Literal('success'), Type.Literal('failure')]);
const TEXT = Type.Union([Type.String(), Type.Null()]);
const ADDRESS = Type.String({ minLength: 2, maxLength: 45, description: 'An IPv4 or IPv6 address' });

export const REPORT = Type.Object({
  type: Type.String({ pattern: '^[a-z][a-z0-9_.-]{0,63}$', description: 'Kept as `external.<type>`' }),
  outcome: OUTCOME,
  userId: Type.Optional(
    Type.String({ minLength: 1, maxLength: 64, description: 'A member of the tenant; anything else is kept as text, and nobody is told' }),
  ),
  username: Type.Optional(Type.String({ minLength: 1, maxLength: 256 })),
  ip: Type.Optional(ADDRESS),
  device: Type.Optional(Type.String({ minLength: 1, maxLength: 512 })),
  at: Type.Optional(Type.String({ format: 'date-time', description: 'When it happened, as the service says' })),
  reason: Type.Optional(Type.String({ minLength: 1, maxLength: 200 })),
  detail: Type.Optional(Type.String({ minLength: 1, maxLength: 2000 })),
});
export type Report = Static<typeof REPORT>;

export const REPORTED = Type.Object({ id: Type.String(), type: Type.String(), outcome: OUTCOME, source: Type.Literal('external') });

export const AUTH_EVENT = Type.Object({
  id: Type.String(),
  at: Type.String({ format: 'date-time', description: 'When it was recorded' }),
  reportedAt: Type.Union([INSTANT, Type.Null()], { description: 'When it happened, as the service that reported it says' }),
  type: Type.String(),
  outcome: OUTCOME,
  source: Type.Union([Type.Literal('gatehouse'), Type.Literal('external')]),
  reason: TEXT,
  method: TEXT,
  userId: TEXT,
  username: Type.Union([Type.String(), Type.Null()], { description: 'As another service reported it; we keep none' }),
  clientId: TEXT,
  address: Type.Union([Type.String(), Type.Null()], { description: 'Null where it was never known, or the person was erased' }),
  device: TEXT,
  detail: TEXT,
  requestId: TEXT,
});
export type AuthEventView = Static<typeof AUTH_EVENT>;

const RANGE = {
  from: Type.Optional(Type.String({ format: 'date-time', description: 'From this instant on' })),
  to: Type.Optional(Type.String({ format: 'date-time', description: 'Before this instant' })),
};
const WHOM = { userId: Type.Optional(ID), ip: Type.Optional(ADDRESS) };

export const AUTH_LOG_QUERY = Type.Object({
  ...PAGE_QUERY,
  ...RANGE,
  ...WHOM,
  type: Type.Optional(Type.String({ minLength: 1, maxLength: 100 })),
  outcome: Type.Optional(OUTCOME),
  method: Type.Optional(Type.String({ minLength: 1, maxLength: 64, description: 'The way to sign in, e.g. `password`' })),
  clientId: Type.Optional(Type.String({ minLength: 1, maxLength: 255 })),
  source: Type.Optional(Type.Union([Type.Literal('gatehouse'), Type.Literal('external')])),
});
export type AuthLogFilter = Omit<Static<typeof AUTH_LOG_QUERY>, 'limit' | 'cursor'>;

export const AUTH_LOG_PAGE = pageSchema(AUTH_EVENT);

export const FAILED_QUERY = Type.Object({ ...PAGE_QUERY, ...RANGE, ...WHOM });
export type FailedFilter = Omit<Static<typeof FAILED_QUERY>, 'limit' | 'cursor'>;

const COUNT = Type.Integer({ minimum: 0 });
const COMPLETE = Type.Boolean({ description: 'False where there are more than the newest 100,000, which were counted' });

export const FAILED_PAGE = Type.Object({
  ...AUTH_LOG_PAGE.properties,
  totals: Type.Object(
    { count: COUNT, users: COUNT, addresses: COUNT, complete: COMPLETE },
    { description: 'Of the whole filter, on every page' },
  ),
});

export const AGGREGATES_QUERY = Type.Object({
  ...RANGE,
  ...WHOM,
  by: Type.Union([Type.Literal('user'), Type.Literal('address'), Type.Literal('hour')]),
});
export type AggregatesFilter = Static<typeof AGGREGATES_QUERY>;

export const AGGREGATES = Type.Object({
  by: AGGREGATES_QUERY.properties.by,
  from: INSTANT,
  to: INSTANT,
  complete: COMPLETE,
  items: Type.Array(
    Type.Object({
      key: Type.Union([Type.String(), Type.Null()], {
        description:
          'The person’s id, the address, or the beginning of the hour; null where nobody was named, or the address is not known any more',
      }),
      count: COUNT,
      users: COUNT,
      addresses: COUNT,
      firstAt: INSTANT,
      lastAt: INSTANT,
    }),
  ),
});
export type AggregatesView = Static<typeof AGGREGATES>;
