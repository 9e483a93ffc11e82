import { type Static, Type } from '@sinclair/typebox';
import type { SessionRecord } from './index.ts';
import type { GrantRow } from './store.ts';

const INSTANT = Type.String({ format: 'date-time' });

export const SESSION = Type.Object({
  id: Type.String({ description: 'Names the session; not what the browser holds' }),
  sid: Type.Union([Type.String(), Type.Null()], { description: 'The one that tokens of the first client carry' }),
  userId: Type.String(),
  authenticatedAt: INSTANT,
  createdAt: INSTANT,
  lastSeenAt: INSTANT,
  expiresAt: INSTANT,
  acr: Type.Union([Type.String(), Type.Null()]),
  amr: Type.Array(Type.String()),
  address: Type.Union([Type.String(), Type.Null()]),
  device: Type.Union([Type.String(), Type.Null()]),
  clients: Type.Array(Type.Object({ clientId: Type.String(), sid: Type.String(), offline: Type.Boolean() })),
  current: Type.Boolean({ description: 'The caller came with this one' }),
});
export type SessionView = Static<typeof SESSION>;

export const GRANT = Type.Object({
  clientId: Type.String(),
  scope: Type.String({ description: 'What the person agreed to' }),
  claims: Type.String({ description: 'Single claims that the person agreed to, separated by spaces' }),
  resources: Type.Record(Type.String(), Type.String()),
  agreedAt: Type.Union([INSTANT, Type.Null()]),
  createdAt: INSTANT,
  expiresAt: Type.Union([INSTANT, Type.Null()], {
    description: 'null where nothing is held now: the agreement stands, and nobody is asked for it again',
  }),
  offline: Type.Boolean({ description: 'It may act while the person is away' }),
});
export type GrantView = Static<typeof GRANT>;

export const ENDED = Type.Object({ ended: Type.Integer({ minimum: 0 }) });

/** What is told of a token or session that is alive; RFC 7662 section 2.2 names. */
export const ACTIVE = Type.Object({
  active: Type.Literal(true),
  iss: Type.Optional(Type.String()),
  sub: Type.Optional(Type.String()),
  aud: Type.Optional(Type.Union([Type.String(), Type.Array(Type.String())])),
  client_id: Type.Optional(Type.String()),
  scope: Type.Optional(Type.String()),
  token_type: Type.Optional(Type.String()),
  cnf: Type.Optional(
    Type.Object(
      { jkt: Type.Optional(Type.String()), 'x5t#S256': Type.Optional(Type.String()) },
      { description: 'The key (RFC 9449) or certificate (RFC 8705) that the token must come with' },
    ),
  ),
  tenant_id: Type.Optional(Type.String()),
  sid: Type.Optional(Type.String()),
  iat: Type.Optional(Type.Integer()),
  exp: Type.Optional(Type.Integer()),
  auth_time: Type.Optional(Type.Integer()),
  acr: Type.Optional(Type.String()),
  amr: Type.Optional(Type.Array(Type.String())),
});
export type ActiveView = Static<typeof ACTIVE>;

export const viewOf = (session: SessionRecord, currentSid: string | undefined): SessionView => ({
  id: session.id,
  sid: session.clients.find(({ sid }) => sid !== '')?.sid ?? null,
  userId: session.userId,
  authenticatedAt: session.authenticatedAt.toISOString(),
  createdAt: session.createdAt.toISOString(),
  lastSeenAt: session.lastSeenAt.toISOString(),
  expiresAt: session.expiresAt.toISOString(),
  acr: session.acr ?? null,
  amr: [...session.amr],
  address: session.address ?? null,
  device: session.device ?? null,
  clients: session.clients.map(({ clientId, sid, offline }) => ({ clientId, sid, offline })),
  current: currentSid !== undefined && session.clients.some(({ sid }) => sid === currentSid),
});

export const grantView = (row: GrantRow): GrantView => ({
  clientId: row.client_id,
  scope: row.scope ?? '',
  claims: row.claims ?? '',
  resources: row.resources ?? {},
  agreedAt: row.agreed_at?.toISOString() ?? null,
  createdAt: row.first_at.toISOString(),
  expiresAt: row.expires_at?.toISOString() ?? null,
  offline: row.offline,
});
