/** What a tenant may set for itself, and how it is read: with defaults, whatever the row holds. */
import { type Static, Type } from '@sinclair/typebox';
import type { FieldError } from '../../core/errors.ts';
import type { TenantFacts } from './index.ts';

const seconds = (minimum: number, description: string) => Type.Integer({ minimum, maximum: 31_536_000, description });
const optional = Type.Optional;

/** Closed: members that are not named are refused. */
export const TENANT_SETTINGS = Type.Object(
  {
    signUp: optional(
      Type.Union([Type.Literal('open'), Type.Literal('invitation'), Type.Literal('closed')], {
        description: 'Who may create an account at home in the tenant: everybody, who was invited, or nobody',
      }),
    ),
    methods: optional(
      Type.Array(Type.String({ pattern: '^[a-z][a-z0-9-]{0,31}(:[A-Za-z0-9_-]{1,64})?$' }), {
        maxItems: 30,
        uniqueItems: true,
        description: 'Ids of the ways to sign in that are offered; all where nothing is said',
      }),
    ),
    secondFactor: optional(
      Type.Union([Type.Literal('off'), Type.Literal('optional'), Type.Literal('required')], {
        description: 'Whether people may, or have to, have a second factor; one that somebody has is always asked for',
      }),
    ),
    secondFactorRoles: optional(
      Type.Array(Type.String({ minLength: 1, maxLength: 100 }), {
        maxItems: 50,
        uniqueItems: true,
        description:
          'Names of roles that the tenant has; whoever has one of them in the tenant needs a second factor. A role that is deleted later is held by nobody',
      }),
    ),
    country: optional(
      Type.String({ pattern: '^[A-Z]{2}$', description: 'ISO 3166-1 alpha-2: where telephone numbers without a country code are from' }),
    ),
    password: optional(
      Type.Object(
        {
          minLength: optional(
            Type.Integer({ minimum: 8, maximum: 128, description: 'In characters; where the installation asks for more, that' }),
          ),
          minStrength: optional(
            Type.Integer({
              minimum: 0,
              maximum: 4,
              description:
                'How many guesses it has to withstand, as zxcvbn estimates them from its first 64 characters: 0 any, 1 a thousand, 2 a million (by an online attack), 3 a hundred million (online, without limits), 4 ten thousand million (offline, on a slow hash)',
            }),
          ),
          breached: optional(Type.Boolean({ description: 'Whether those of published breaches are refused; true where nothing is said' })),
          contextWords: optional(
            Type.Array(Type.String({ minLength: 3, maxLength: 64 }), {
              maxItems: 50,
              uniqueItems: true,
              description: 'Words that passwords must not be made of, beside names of the person, the tenant and the installation',
            }),
          ),
          history: optional(
            Type.Integer({
              minimum: 0,
              maximum: 24,
              description:
                'How many of their last passwords people may not take again, the present one among them. It looks back as far as it was set when they were changed. What an administrator gives is not compared: it would tell what somebody used once.',
            }),
          ),
          maxAgeDays: optional(
            Type.Union([Type.Integer({ minimum: 1, maximum: 3650 }), Type.Null()], {
              description: 'After how many days a sign-in asks for a new password; null: never, which NIST SP 800-63B-4 recommends',
            }),
          ),
        },
        { description: "What passwords of people at home in the tenant have to be, beside the installation's rules" },
      ),
    ),
    sessions: optional(
      Type.Object({
        max: optional(
          Type.Integer({
            minimum: 1,
            maximum: 1000,
            description: 'How many sessions a person at home in the tenant may have; with one more, the oldest ends',
          }),
        ),
        idleSeconds: optional(seconds(60, 'A session ends after so long without use, where that is sooner than the installation says')),
        absoluteSeconds: optional(seconds(60, 'A session ends so long after the sign-in, where that is sooner than the installation says')),
      }),
    ),
    security: optional(
      Type.Object({
        apiKeys: optional(Type.Boolean({ description: 'Whether API keys may be made and used' })),
        apiKeyMaxSeconds: optional(seconds(60, 'How long an API key may live')),
        maxAuthAgeSeconds: optional(seconds(60, 'How long ago the sign-in behind tokens of the tenant may be')),
      }),
    ),
    branding: optional(
      Type.Object({
        displayName: optional(
          Type.String({ minLength: 1, maxLength: 100, pattern: '^[^\\u0000-\\u001f\\u007f]*\\S[^\\u0000-\\u001f\\u007f]*$' }),
        ),
        primaryColor: optional(
          Type.String({ pattern: '^#[0-9a-fA-F]{6}$', description: 'As #rrggbb; what is read on it is computed to be legible' }),
        ),
      }),
    ),
    mail: optional(
      Type.Object({
        fromName: optional(
          Type.String({
            minLength: 1,
            maxLength: 100,
            pattern: '^[^\\u0000-\\u001f\\u007f<>"@]+$',
            description: "Whom the tenant's mails are from; the address stays the installation's",
          }),
        ),
      }),
    ),
    challenge: optional(
      Type.Object(
        {
          kind: Type.Literal('proof-of-work'),
          difficulty: Type.Integer({ minimum: 8, maximum: 22, description: 'Leading zero bits; 16 takes a telephone about a second' }),
        },
        {
          description:
            'What a browser does before it has a code sent or an account made; it takes JavaScript. Applications that sign people in by themselves are asked for the same: 403 `auth.challenge_required`. Nothing where nothing is said',
        },
      ),
    ),
    timeZone: optional(Type.String({ minLength: 1, maxLength: 64, description: 'By its name in the IANA time zone database' })),
    verifiedEmail: optional(Type.Boolean({ description: 'An address has to be proven before the first sign-in ends' })),
    personalTenant: optional(
      Type.Object({
        enabled: Type.Boolean({ description: 'Whoever registers gets a tenant of their own' }),
        templateId: optional(Type.String({ pattern: '^[0-9a-f-]{36}$' })),
      }),
    ),
  },
  { description: 'What is left out has its default' },
);
export type StoredSettings = Static<typeof TENANT_SETTINGS>;

/** As they hold: what has a default is there. */
export interface TenantSettings extends StoredSettings {
  signUp: 'open' | 'invitation' | 'closed';
  secondFactor: 'off' | 'optional' | 'required';
  password: Required<NonNullable<StoredSettings['password']>>;
  sessions: NonNullable<StoredSettings['sessions']>;
  security: NonNullable<StoredSettings['security']> & { apiKeys: boolean };
  branding: NonNullable<StoredSettings['branding']>;
  mail: NonNullable<StoredSettings['mail']>;
  timeZone: string;
  verifiedEmail: boolean;
  personalTenant: NonNullable<StoredSettings['personalTenant']>;
}

/** The settings in a tenant's row by their present names; `login.registration` and `login.verifiedEmail` were called so before. */
export function storedSettings(row: unknown): StoredSettings {
  const { login, ...rest } = isObject(row) ? row : {};
  const old = isObject(login) ? login : {};
  return {
    ...(typeof old['registration'] === 'boolean' ? { signUp: old['registration'] ? 'open' : 'closed' } : {}),
    ...(typeof old['verifiedEmail'] === 'boolean' ? { verifiedEmail: old['verifiedEmail'] } : {}),
    ...rest,
  } as StoredSettings;
}

const known = new WeakMap<object, TenantSettings>();

/** The settings of a tenant with defaults for what is not said. Never throws. */
export function settingsOf({ settings: row }: Pick<TenantFacts, 'settings'>): TenantSettings {
  const before = known.get(row);
  if (before) return before;
  const settings = withDefaults(storedSettings(row));
  known.set(row, settings);
  return settings;
}

const PASSWORD = { minLength: 8, minStrength: 0, breached: true, contextWords: [], history: 0, maxAgeDays: null };

const withDefaults = (stored: StoredSettings): TenantSettings => ({
  ...stored,
  signUp: stored.signUp ?? 'open',
  secondFactor: stored.secondFactor ?? 'optional',
  password: { ...PASSWORD, ...stored.password },
  sessions: stored.sessions ?? {},
  security: { ...stored.security, apiKeys: stored.security?.apiKeys ?? true },
  branding: stored.branding ?? {},
  mail: stored.mail ?? {},
  timeZone: stored.timeZone ?? 'UTC',
  verifiedEmail: stored.verifiedEmail ?? false,
  personalTenant: stored.personalTenant ?? { enabled: false },
});

/** What the schema cannot say; `pointer` is where the settings stand in the body. */
export function faultsOfSettings(settings: StoredSettings, methods: readonly string[], pointer = '/settings'): FieldError[] {
  const errors: FieldError[] = [];
  const { timeZone, sessions, methods: offered = [] } = settings;
  if (timeZone !== undefined && !isTimeZone(timeZone)) errors.push({ pointer: `${pointer}/timeZone`, message: 'is no time zone' });
  if (sessions?.idleSeconds !== undefined && sessions.absoluteSeconds !== undefined && sessions.idleSeconds > sessions.absoluteSeconds)
    errors.push({ pointer: `${pointer}/sessions/idleSeconds`, message: 'must not be longer than absoluteSeconds' });
  for (const [index, method] of offered.entries())
    if (!methods.includes(method.split(':')[0]!))
      errors.push({ pointer: `${pointer}/methods/${index}`, message: 'is no way to sign in here' });
  if (settings.methods?.length === 0) errors.push({ pointer: `${pointer}/methods`, message: 'would let nobody in' });
  return errors;
}

/** Names, not offsets: `+01:00` would be taken by Intl too. */
function isTimeZone(name: string): boolean {
  if (!/^[A-Za-z]/.test(name)) return false;
  try {
    new Intl.DateTimeFormat('en', { timeZone: name });
    return true;
  } catch {
    return false;
  }
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value);
