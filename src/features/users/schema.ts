import { type Static, type TSchema, Type } from '@sinclair/typebox';
import type { Scope } from '../../core/scope.ts';
import { PAGE_QUERY, pageSchema } from '../../http/paging.ts';
import { ID } from '../../http/route.ts';
import type { OpenInvitation } from './commands.ts';
import { isHome } from './home.ts';
import type { SettingValue, UserRow } from './store.ts';

const orNull = <S extends ReturnType<typeof Type.String>>(schema: S) => Type.Union([schema, Type.Null()]);
const INSTANT = Type.String({ format: 'date-time' });

const USERNAME = Type.String({ minLength: 1, maxLength: 64 });
const EMAIL = Type.String({ minLength: 3, maxLength: 254, description: 'One plain ASCII address' });
const PHONE = Type.String({ minLength: 8, maxLength: 40, description: 'E.164' });
const NAME = Type.String({ minLength: 1, maxLength: 100, pattern: '^[^\\p{Cc}<>]+$' });
const LOCALE = Type.String({ maxLength: 35, pattern: '^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$', description: 'BCP 47' });
const STATUS = Type.Union([Type.Literal('active'), Type.Literal('disabled')]);
const PASSWORD_HASH = Type.Union(
  [Type.String({ minLength: 1, maxLength: 4096 }), Type.Record(Type.String(), Type.Unknown(), { maxProperties: 20 })],
  {
    writeOnly: true,
    description:
      'A hash that another system made, instead of `password`: argon2, scrypt or PBKDF2 in the PHC string format, bcrypt (2a, 2b, 2y), a credential of a Keycloak realm export, or the value of `custom_password_hash` of Auth0; 4096 characters at most. Verified at the first sign-in, and replaced then. Bounds: argon2 256 MiB and 10 passes, scrypt 256 MiB and N·r·p 2^23, PBKDF2 1,000 to 2,000,000 iterations, bcrypt cost 4 to 14.',
  },
);
const PASSWORD = Type.String({ minLength: 1, maxLength: 1024, writeOnly: true });

const ATTRIBUTE_NAME = '^[A-Za-z][A-Za-z0-9_.-]{0,63}$';
const SCALAR = Type.Union([Type.String({ maxLength: 1000 }), Type.Number(), Type.Boolean()]);
const ATTRIBUTE = Type.Union([SCALAR, Type.Array(SCALAR, { maxItems: 100 })]);
const attributesOf = <S extends typeof ATTRIBUTE>(value: S) =>
  Type.Record(Type.String({ pattern: ATTRIBUTE_NAME }), value, { maxProperties: 100, additionalProperties: false });
const ATTRIBUTES = attributesOf(ATTRIBUTE);
const ATTRIBUTES_PATCH = Type.Record(Type.String({ pattern: ATTRIBUTE_NAME }), Type.Union([ATTRIBUTE, Type.Null()]), {
  maxProperties: 100,
  additionalProperties: false,
});

export const VERIFICATION = Type.Object(
  {
    level: Type.String({ pattern: '^[a-z0-9][a-z0-9_.-]{0,31}$' }),
    method: Type.String({ pattern: '^[a-z0-9][a-z0-9_.-]{0,31}$' }),
    verifiedAt: INSTANT,
  },
  { description: 'How the identity of the person was proven, by whom the home tenant or the platform trusts (KYC)' },
);

/** What other tenants than the home see is decided sparingly; kept in one place for the document. */
export const SEEN_BY_OTHERS =
  'A tenant in which the person is a member but not at home sees their id, user name, e-mail address, names, status, verification and its own attributes; not the phone number, language, time of the last sign-in or home tenant.';

export const USER = Type.Object({
  id: Type.String(),
  homeTenantId: orNull(Type.String({ description: 'Null where another tenant asks' })),
  username: orNull(Type.String()),
  email: orNull(Type.String()),
  emailVerified: Type.Boolean(),
  phone: orNull(Type.String()),
  phoneVerified: Type.Boolean(),
  givenName: orNull(Type.String()),
  familyName: orNull(Type.String()),
  locale: orNull(Type.String()),
  status: STATUS,
  verification: Type.Union([VERIFICATION, Type.Null()]),
  attributes: ATTRIBUTES,
  createdAt: INSTANT,
  updatedAt: INSTANT,
  lastLoginAt: orNull(INSTANT),
});
export type UserView = Static<typeof USER>;

export const NEW_USER = Type.Object({
  username: Type.Optional(USERNAME),
  email: Type.Optional(EMAIL),
  emailVerified: Type.Optional(Type.Boolean()),
  phone: Type.Optional(PHONE),
  phoneVerified: Type.Optional(Type.Boolean()),
  password: Type.Optional(PASSWORD),
  passwordHash: Type.Optional(PASSWORD_HASH),
  passwordMustChange: Type.Optional(Type.Boolean({ description: 'The person chooses another at the next sign-in' })),
  givenName: Type.Optional(NAME),
  familyName: Type.Optional(NAME),
  locale: Type.Optional(LOCALE),
  status: Type.Optional(STATUS),
  verification: Type.Optional(VERIFICATION),
  attributes: Type.Optional(ATTRIBUTES),
  roles: Type.Optional(
    Type.Array(Type.String({ minLength: 1, maxLength: 100 }), {
      maxItems: 20,
      uniqueItems: true,
      description: 'Names or ids of roles of the tenant, with no more rights than whoever grants them has',
    }),
  ),
});

/** The answer where an address outside the verified domains is invited. */
export const INVITED = Type.Object({
  id: Type.String({ description: 'Of the invitation' }),
  email: Type.String(),
  roles: Type.Array(Type.String()),
  status: Type.Literal('invited'),
  expiresAt: INSTANT,
});
export const invitedView = ({ id, email, roles, expiresAt }: OpenInvitation): Static<typeof INVITED> => ({
  id,
  email,
  roles: [...roles],
  status: 'invited',
  expiresAt: expiresAt.toISOString(),
});

const CHANGES = {
  username: Type.Optional(orNull(USERNAME)),
  email: Type.Optional(orNull(EMAIL)),
  emailVerified: Type.Optional(Type.Boolean()),
  phone: Type.Optional(orNull(PHONE)),
  phoneVerified: Type.Optional(Type.Boolean()),
  password: Type.Optional(PASSWORD),
  passwordMustChange: Type.Optional(Type.Boolean()),
  givenName: Type.Optional(orNull(NAME)),
  familyName: Type.Optional(orNull(NAME)),
  locale: Type.Optional(orNull(LOCALE)),
  status: Type.Optional(STATUS),
  verification: Type.Optional(Type.Union([VERIFICATION, Type.Null()])),
};

/** PUT changes the fields that are named, null clears; `attributes` is replaced as a whole. */
export const USER_PUT = Type.Object({ ...CHANGES, attributes: Type.Optional(ATTRIBUTES) });
/** PATCH is a merge patch: a single attribute can be set or, with null, removed. */
export const USER_PATCH = Type.Object({ ...CHANGES, attributes: Type.Optional(ATTRIBUTES_PATCH) });

export const USER_QUERY = Type.Object({
  ...PAGE_QUERY,
  email: Type.Optional(Type.String({ maxLength: 254 })),
  username: Type.Optional(Type.String({ maxLength: 64 })),
  phone: Type.Optional(Type.String({ maxLength: 40, description: 'Finds people at home in the tenant' })),
  status: Type.Optional(STATUS),
  roleName: Type.Optional(
    Type.String({ minLength: 1, maxLength: 100, description: 'Who has this role, given to them or to a group of theirs' }),
  ),
  roleId: Type.Optional(ID),
  groupId: Type.Optional(ID),
  q: Type.Optional(Type.String({ minLength: 1, maxLength: 100, description: 'What a user name, address, number or name begins with' })),
  sort: Type.Optional(
    Type.Union([Type.Literal('createdAt'), Type.Literal('-createdAt'), Type.Literal('name')], {
      description: '`createdAt` where nothing is said; `name` where `q` is given: each person once, by the first of their names',
    }),
  ),
});
export const USER_PAGE = pageSchema(USER);

/** A person's own view: less what is the administrators'. */
export const ME = Type.Pick(USER, [
  'id',
  'username',
  'email',
  'emailVerified',
  'phone',
  'phoneVerified',
  'givenName',
  'familyName',
  'locale',
  'createdAt',
  'updatedAt',
]);
export const ME_PATCH = Type.Pick(Type.Object(CHANGES), ['givenName', 'familyName', 'locale']);

export const PROFILE = Type.Pick(USER, ['givenName', 'familyName', 'locale']);
export const PROFILE_PUT = ME_PATCH;
/** Beside what applications keep for a person, by which ways they want to be told of what. */
const settingsOf = (value: TSchema) =>
  Type.Unsafe<Record<string, SettingValue | null>>({
    type: 'object',
    maxProperties: 100,
    properties: {
      notifications: {
        description: 'Free-form, one level of grouping deep: `{"email": {"news": true}}`',
        anyOf: [
          {
            type: 'object',
            maxProperties: 50,
            patternProperties: {
              [ATTRIBUTE_NAME]: {
                anyOf: [
                  value,
                  { type: 'object', maxProperties: 50, patternProperties: { [ATTRIBUTE_NAME]: value }, additionalProperties: false },
                ],
              },
            },
            additionalProperties: false,
          },
          ...(value === ATTRIBUTE ? [] : [{ type: 'null' }]),
        ],
      },
    },
    patternProperties: { [ATTRIBUTE_NAME.replace('^', '^(?!notifications$)')]: value },
    additionalProperties: false,
  });
export const SETTINGS = Type.Unsafe<Record<string, SettingValue>>(settingsOf(ATTRIBUTE));
export const SETTINGS_PUT = settingsOf(Type.Union([ATTRIBUTE, Type.Null()]));

export const profileView = (row: UserRow, home = true): Static<typeof PROFILE> => ({
  givenName: row.given_name,
  familyName: row.family_name,
  locale: home ? row.locale : null,
});

/** The person as whoever acts in `scope` may see them. */
export function userView(scope: Pick<Scope, 'tenantId' | 'platform'>, row: UserRow): UserView {
  const home = isHome(scope, row);
  return {
    ...seenByAll(row),
    homeTenantId: home ? row.home_tenant_id : null,
    phone: home ? row.phone : null,
    phoneVerified: home && row.phone_verified_at !== null,
    locale: home ? row.locale : null,
    lastLoginAt: home ? (row.last_login_at?.toISOString() ?? null) : null,
  };
}

const seenByAll = (row: UserRow) => ({
  id: row.id,
  username: row.username,
  email: row.email,
  emailVerified: row.email_verified_at !== null,
  givenName: row.given_name,
  familyName: row.family_name,
  status: row.status,
  verification: row.verification,
  attributes: row.attributes,
  createdAt: row.created_at.toISOString(),
  updatedAt: row.updated_at.toISOString(),
});

export const meView = (row: UserRow): Static<typeof ME> => {
  const { status: _status, verification: _verification, attributes: _attributes, ...own } = seenByAll(row);
  return { ...own, phone: row.phone, phoneVerified: row.phone_verified_at !== null, locale: row.locale };
};
