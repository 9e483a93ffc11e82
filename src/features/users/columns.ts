import { isDeepStrictEqual } from 'node:util';
import { invalidInput } from '../../core/errors.ts';
import { mergePatch } from '../../http/merge-patch.ts';
import { emailKey, nameErrors, phoneNumber, usernameKey } from './names.ts';
import type { AttributeValue, SettingValue, UserChanges, UserColumns, UserRow, Verification } from './store.ts';

export interface NewUser {
  username?: string;
  email?: string;
  emailVerified?: boolean;
  phone?: string;
  phoneVerified?: boolean;
  password?: string;
  /** Made by another system; not together with `password`. */
  passwordHash?: string | Record<string, unknown>;
  passwordMustChange?: boolean;
  givenName?: string;
  familyName?: string;
  locale?: string;
  status?: 'active' | 'disabled';
  verification?: Verification;
  attributes?: Record<string, AttributeValue>;
  /** Names or ids. */
  roles?: string[];
}

/** Absent stays as it is, null clears. */
export interface UserChange {
  username?: string | null;
  email?: string | null;
  emailVerified?: boolean;
  phone?: string | null;
  phoneVerified?: boolean;
  password?: string;
  passwordMustChange?: boolean;
  givenName?: string | null;
  familyName?: string | null;
  locale?: string | null;
  status?: 'active' | 'disabled';
  verification?: Verification | null;
  attributes?: Record<string, AttributeValue>;
  /** Merged into the attributes there are (RFC 7396): null removes one. */
  attributesPatch?: Record<string, AttributeValue | null>;
  /** The settings that are named; null removes one. */
  settings?: Record<string, SettingValue | null>;
}

/** The row of a new person. Throws 422 where a name cannot be one, or none is given. */
export function columnsOfNew(id: string, homeTenantId: string, input: NewUser, at: Date): UserColumns {
  const columns: UserColumns = {
    id,
    home_tenant_id: homeTenantId,
    username: null,
    username_key: null,
    email: null,
    email_key: null,
    email_verified_at: null,
    phone: null,
    phone_verified_at: null,
    given_name: null,
    family_name: null,
    locale: null,
    status: input.status ?? 'active',
    verification: input.verification ?? null,
    attributes: input.attributes ?? {},
  };
  return { ...columns, ...columnsOfChange(columns, input, at, true) };
}

type Before = Pick<UserRow, keyof UserColumns> & Partial<Pick<UserRow, 'settings'>>;

/** What a change means for the row. A new address or number is not verified unless the change says so. Throws 422. */
export function columnsOfChange(before: Before, change: UserChange, at: Date, isNew = false): UserChanges {
  const errors = nameErrors(change);
  if (errors.length > 0) throw invalidInput(errors);
  const columns: UserChanges = {};
  if (change.username !== undefined) {
    columns.username = change.username?.normalize('NFC') ?? null;
    columns.username_key = change.username === null ? null : (usernameKey(change.username) ?? null);
  }
  if (change.email !== undefined) {
    columns.email = change.email;
    columns.email_key = change.email === null ? null : (emailKey(change.email) ?? null);
    if (columns.email_key !== before.email_key) columns.email_verified_at = null;
  }
  if (change.phone !== undefined) {
    columns.phone = change.phone === null ? null : (phoneNumber(change.phone) ?? null);
    if (columns.phone !== before.phone) columns.phone_verified_at = null;
  }
  const after = { ...before, ...columns };
  // Whoever came from another provider may have none of them.
  const isNamed = isNew || [change.username, change.email, change.phone].some((name) => name !== undefined);
  if (isNamed && after.username_key === null && after.email_key === null && after.phone === null)
    throw invalidInput([{ pointer: '', message: 'a person needs a user name, an e-mail address or a phone number' }]);
  if (change.emailVerified !== undefined)
    columns.email_verified_at = verifiedAt('emailVerified', change.emailVerified, after.email_key, after.email_verified_at, at);
  if (change.phoneVerified !== undefined)
    columns.phone_verified_at = verifiedAt('phoneVerified', change.phoneVerified, after.phone, after.phone_verified_at, at);
  if (change.givenName !== undefined) columns.given_name = change.givenName?.normalize('NFC') ?? null;
  if (change.familyName !== undefined) columns.family_name = change.familyName?.normalize('NFC') ?? null;
  if (change.locale !== undefined) columns.locale = change.locale;
  if (change.status !== undefined) columns.status = change.status;
  if (change.verification !== undefined) columns.verification = change.verification;
  if (change.attributes !== undefined) columns.attributes = change.attributes;
  if (change.attributesPatch !== undefined) columns.attributes = merged('attributes', before.attributes, change.attributesPatch);
  if (change.settings !== undefined) columns.settings = merged('settings', before.settings ?? {}, change.settings);
  return columns;
}

const MOST_MEMBERS = 100;

function merged<V extends SettingValue>(field: string, before: Record<string, V>, patch: Record<string, V | null>): Record<string, V> {
  const after = mergePatch(before, patch) as Record<string, V>;
  if (Object.keys(after).length > MOST_MEMBERS)
    throw invalidInput([{ pointer: `/${field}`, message: `must not have more than ${MOST_MEMBERS} members` }]);
  return after;
}

function verifiedAt(field: string, verified: boolean, value: string | null, since: Date | null, at: Date): Date | null {
  if (!verified) return null;
  if (value === null) throw invalidInput([{ pointer: `/${field}`, message: 'there is nothing to be verified' }]);
  return since ?? at;
}

const FIELDS: Readonly<Partial<Record<keyof UserChanges, string>>> = {
  username: 'username',
  email: 'email',
  email_verified_at: 'emailVerified',
  phone: 'phone',
  phone_verified_at: 'phoneVerified',
  given_name: 'givenName',
  family_name: 'familyName',
  locale: 'locale',
  status: 'status',
  verification: 'verification',
  attributes: 'attributes',
  settings: 'settings',
};

/** The names of the fields that really change; for the audit log, which holds no values. */
export const changedFields = (before: Before, columns: UserChanges): string[] =>
  Object.entries(FIELDS)
    .filter(
      ([column]) => column in columns && !isDeepStrictEqual(columns[column as keyof UserChanges], before[column as keyof UserChanges]),
    )
    .map(([, field]) => field);
