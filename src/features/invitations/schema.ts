import { Type } from '@sinclair/typebox';
import { PAGE_QUERY, pageSchema } from '../../http/paging.ts';
import { ID } from '../../http/route.ts';
import type { InvitationView } from './index.ts';
import type { InvitationRow } from './store.ts';

const DAY = 86_400;
const TIME = Type.String({ format: 'date-time' });
const nullable = <T extends Parameters<typeof Type.Union>[0][number]>(schema: T) => Type.Union([schema, Type.Null()]);

const STATUS = Type.Union(
  (['pending', 'accepted', 'declined', 'revoked', 'expired'] as const).map((status) => Type.Literal(status)),
  { description: 'By the clock: an open invitation is `expired` from the very second that it names' },
);
const ROLES = Type.Array(Type.String({ minLength: 1, maxLength: 100 }), { maxItems: 50, uniqueItems: true });

export const INVITATION_INPUT = Type.Object({
  email: Type.String({
    minLength: 3,
    maxLength: 254,
    description:
      'Only who has proven this address can accept. The mail is in English for everybody: another language would tell who is known here',
  }),
  roles: Type.Optional({
    ...ROLES,
    description:
      'Names or ids; `member` where nothing is said. With no more management permissions than the caller has; `owner` is for owners to give',
  }),
  expiresInSeconds: Type.Optional(Type.Integer({ minimum: 60, maximum: 30 * DAY, default: 7 * DAY })),
  attributes: Type.Optional(
    Type.Record(Type.String({ minLength: 1, maxLength: 128 }), Type.Unknown(), {
      maxProperties: 100,
      description: 'What the tenant keeps of the member; needs `attributes.write`',
    }),
  ),
});

export const INVITATION = Type.Object({
  id: Type.String(),
  email: Type.String(),
  roles: Type.Array(Type.String(), { description: 'Names, of those that are still there' }),
  attributes: Type.Record(Type.String(), Type.Unknown()),
  status: STATUS,
  expiresAt: TIME,
  invitedBy: nullable(Type.Object({ type: Type.String(), id: Type.String() })),
  acceptedBy: nullable(Type.String()),
  decidedAt: nullable(TIME),
  sentCount: Type.Integer(),
  sentAt: TIME,
  createdAt: TIME,
});
export const INVITATION_PAGE = pageSchema(INVITATION);
export const INVITATION_QUERY = Type.Object({ ...PAGE_QUERY, status: Type.Optional(STATUS) });

export const TENANT_PARAMS = Type.Object({ id: ID });
export const INVITATION_PARAMS = Type.Object({ id: ID, invitationId: ID });

export const OWN_INVITATION = Type.Object({
  id: Type.String(),
  tenantId: Type.String(),
  tenantName: Type.String(),
  email: Type.String(),
  roles: Type.Array(Type.String()),
  invitedBy: nullable(Type.String({ description: 'What whoever invites is called' })),
  expiresAt: TIME,
});
export const OWN_INVITATION_PAGE = pageSchema(OWN_INVITATION);
export const SECRET_INPUT = Type.Object({
  secret: Type.String({ minLength: 1, maxLength: 128, description: 'The last part of the link in the mail' }),
});
export const DECIDED = Type.Object({
  id: Type.String(),
  tenantId: Type.String(),
  status: Type.Union([Type.Literal('accepted'), Type.Literal('declined')]),
  roles: Type.Array(Type.String()),
});

export function viewOf(row: InvitationRow): InvitationView {
  const [type = '', id = ''] = (row.invited_by ?? '').split(/:(.*)/s);
  return {
    id: row.id,
    email: row.email,
    roles: row.roles,
    attributes: row.attributes,
    status: row.status,
    expiresAt: row.expires_at.toISOString(),
    invitedBy: row.invited_by === null ? null : { type, id },
    acceptedBy: row.accepted_by,
    decidedAt: row.decided_at?.toISOString() ?? null,
    sentCount: row.sent_count,
    sentAt: row.sent_at.toISOString(),
    createdAt: row.created_at.toISOString(),
  };
}
