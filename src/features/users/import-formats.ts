/** Lines as other systems export people, by the names of ours. What they have and we have not is left out. */
import { invalidInput } from '../../core/errors.ts';

export type ImportFormat = 'gatehouse' | 'keycloak' | 'auth0';

type Members = Readonly<Record<string, unknown>>;
const isMembers = (value: unknown): value is Members => typeof value === 'object' && value !== null && !Array.isArray(value);

/** The body of `POST /api/users` that the line means; not yet validated. Throws 422 where it is no object. */
export function fromExport(format: ImportFormat, line: unknown): Members {
  if (!isMembers(line)) throw invalidInput([{ pointer: '', message: 'must be an object' }]);
  if (format === 'gatehouse') return line;
  return present(format === 'keycloak' ? fromKeycloak(line) : fromAuth0(line));
}

function fromKeycloak(line: Members): Members {
  const password = Array.isArray(line['credentials'])
    ? line['credentials'].find((credential) => isMembers(credential) && (credential['type'] ?? 'password') === 'password')
    : undefined;
  const { phoneNumber, phone_number: phone = phoneNumber, locale, ...attributes } = isMembers(line['attributes']) ? line['attributes'] : {};
  return {
    ...names(line),
    emailVerified: emailVerified(line['email'], line['emailVerified']),
    givenName: line['firstName'],
    familyName: line['lastName'],
    phone: first(phone),
    locale: first(locale),
    status: line['enabled'] === false ? 'disabled' : 'active',
    attributes: simple(attributes),
    roles: line['roles'],
    ...(isMembers(password)
      ? { passwordHash: { credentialData: password['credentialData'], secretData: password['secretData'], type: 'password' } }
      : {}),
  };
}

function fromAuth0(line: Members): Members {
  const custom = line['custom_password_hash'];
  return {
    ...names(line),
    emailVerified: emailVerified(line['email'], line['email_verified']),
    givenName: line['given_name'],
    familyName: line['family_name'],
    phone: line['phone_number'],
    status: line['blocked'] === true ? 'disabled' : 'active',
    attributes: { ...simple(line['user_metadata']), ...simple(line['app_metadata']) },
    roles: line['roles'],
    passwordHash: custom ?? line['passwordHash'] ?? line['password_hash'],
  };
}

/** Both let an address be the user name, which ours cannot be: then it is the address alone. */
const names = (line: Members): Members => ({
  username: typeof line['username'] === 'string' && line['username'].includes('@') && line['email'] ? undefined : line['username'],
  email: line['email'],
});

const emailVerified = (email: unknown, verified: unknown): boolean | undefined =>
  email !== undefined && verified === true ? true : undefined;

const isSimple = (value: unknown): boolean => ['string', 'number', 'boolean'].includes(typeof value);

/** Keycloak keeps a list under each name, Auth0 anything; what is deeper than a list stays behind. */
function simple(values: unknown): Members {
  if (!isMembers(values)) return {};
  const kept = Object.entries(values).filter(([, value]) => isSimple(value) || (Array.isArray(value) && value.every(isSimple)));
  return Object.fromEntries(
    kept.map(([name, value]) => [name, Array.isArray(value) && value.length === 1 ? (value[0] as unknown) : value]),
  );
}

const first = (value: unknown): unknown => (Array.isArray(value) ? (value[0] as unknown) : value);

const present = (members: Members): Members =>
  Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined && value !== null));
