import { type Static, Type } from '@sinclair/typebox';
import { PAGE_QUERY, pageSchema } from '../../http/paging.ts';

const nullable = Type.Union([Type.String(), Type.Null()]);

export const AUDIT_EVENT = Type.Object({
  id: Type.String(),
  at: Type.String({ format: 'date-time' }),
  type: Type.String({ description: '`noun.verb`, e.g. `login.refused`' }),
  outcome: Type.Union([Type.Literal('success'), Type.Literal('failure')]),
  reason: nullable,
  actor: Type.Object({ type: Type.String(), id: nullable }),
  clientId: nullable,
  target: Type.Union([Type.Object({ type: Type.String(), id: Type.String() }), Type.Null()]),
  personId: nullable,
  requestId: nullable,
  address: Type.Union([Type.String(), Type.Null()], { description: 'Null where it was never known, or the person was erased' }),
  device: nullable,
  note: nullable,
  data: Type.Record(Type.String(), Type.Unknown()),
});
export type AuditEventView = Static<typeof AUDIT_EVENT>;

export const AUDIT_PAGE = pageSchema(AUDIT_EVENT);

export const OWN_EVENT = Type.Object({
  ...AUDIT_EVENT.properties,
  actor: Type.Object(
    { type: Type.String(), id: nullable },
    { description: 'Of somebody else only that it was a person or a key: `id` is null. At `tenant` they had the right to' },
  ),
  tenant: Type.Object({ id: Type.String(), name: nullable }, { description: 'Where it happened; the name is null once it is gone' }),
});
export type OwnEventView = Static<typeof OWN_EVENT>;
export const OWN_PAGE = pageSchema(OWN_EVENT);

export const ACTIVITY_QUERY = Type.Object(PAGE_QUERY);

export const AUDIT_QUERY = Type.Object({
  ...PAGE_QUERY,
  type: Type.Optional(Type.String({ minLength: 1, maxLength: 100 })),
  actorId: Type.Optional(Type.String({ minLength: 1, maxLength: 255 })),
  targetId: Type.Optional(Type.String({ minLength: 1, maxLength: 255 })),
  outcome: Type.Optional(Type.Union([Type.Literal('success'), Type.Literal('failure')])),
  from: Type.Optional(Type.String({ format: 'date-time', description: 'From this instant on' })),
  to: Type.Optional(Type.String({ format: 'date-time', description: 'Before this instant' })),
});
export type AuditQuery = Static<typeof AUDIT_QUERY>;
