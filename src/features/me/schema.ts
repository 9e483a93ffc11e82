import { type Static, Type } from '@sinclair/typebox';
import { DEFAULT_LOCALE } from '../../core/messages/catalogue.ts';
import { deviceName } from '../../core/messages/device.ts';
import type { KnownDevice } from './index.ts';

const INSTANT = Type.String({ format: 'date-time' });
const CODE = Type.String({ pattern: '^[0-9 ]{6,20}$', description: 'The six digits that were sent' });

export const EMAIL_INPUT = Type.Object({
  email: Type.String({ minLength: 3, maxLength: 254, description: 'One plain ASCII address' }),
});
export const PHONE_INPUT = Type.Object({ phone: Type.String({ minLength: 8, maxLength: 40, description: 'E.164' }) });
export const CHANGE_STARTED = Type.Object({ changeToken: Type.String(), expiresAt: INSTANT });
export const VERIFY_INPUT = Type.Object({ changeToken: Type.String({ minLength: 20, maxLength: 100 }), code: CODE });
export const EMAIL_CHANGED = Type.Object({ email: Type.String(), emailVerified: Type.Literal(true) });
export const PHONE_CHANGED = Type.Object({ phone: Type.String(), phoneVerified: Type.Literal(true) });

const PASSWORD = Type.String({ minLength: 1, maxLength: 1024, writeOnly: true });
export const PASSWORD_INPUT = Type.Object({ currentPassword: PASSWORD, newPassword: PASSWORD });
export const CHANGED = Type.Object({ changed: Type.Literal(true) });

export const DEVICE = Type.Object({
  id: Type.String(),
  name: Type.Union([Type.String(), Type.Null()], { description: 'In words, e.g. `Chrome on macOS`' }),
  device: Type.Union([Type.String(), Type.Null()], { description: 'The User-Agent of the last sign-in' }),
  address: Type.Union([Type.String(), Type.Null()], { description: 'From where that was' }),
  clientId: Type.Union([Type.String(), Type.Null()], { description: 'The application that signed you in by itself; null for a browser' }),
  firstSeenAt: INSTANT,
  lastSeenAt: INSTANT,
  trustedUntil: Type.Union([INSTANT, Type.Null()], { description: 'Until when it stands in for a second factor' }),
});
export const DEVICES = Type.Object({ items: Type.Array(DEVICE), nextCursor: Type.Null() });
export const FORGOTTEN = Type.Object({ id: Type.String(), deleted: Type.Literal(true), forgotten: Type.Integer({ minimum: 0 }) });

const NAME = '^[a-z][a-z0-9_-]{0,39}$';
export const NOTIFICATIONS = Type.Object({
  email: Type.Record(Type.String({ pattern: NAME }), Type.Boolean(), {
    description: 'By name; `security` is always true. Names that applications use may be added.',
    maxProperties: 50,
    additionalProperties: false,
  }),
});

export const DELETION = Type.Object({
  id: Type.String(),
  deleteAfter: Type.Union([INSTANT, Type.Null()], { description: 'From when on the account is deleted; null where it stays' }),
});

export const EXPORT = Type.Unsafe<Record<string, unknown>>({
  type: 'object',
  description:
    'Everything that is kept of you, less secrets: profile, factors, identities, devices, sessions, grants, memberships with what each tenant keeps (attributes, API keys, months of use), invitations, agreements, and activity, the newest 5000 events',
  additionalProperties: true,
});

export const deviceView = ({
  id,
  device,
  address,
  clientId,
  firstSeenAt,
  lastSeenAt,
  trustedUntil,
}: KnownDevice): Static<typeof DEVICE> => ({
  id,
  name: device === undefined ? null : deviceName(DEFAULT_LOCALE, device),
  device: device ?? null,
  address: address ?? null,
  clientId: clientId ?? null,
  firstSeenAt: firstSeenAt.toISOString(),
  lastSeenAt: lastSeenAt.toISOString(),
  trustedUntil: trustedUntil?.toISOString() ?? null,
});
