import { settingsOf, type TenantSettings } from '../features/tenants/settings.ts';
import type { LoginMethod } from './method.ts';
import { type LoginPolicy, ONE_FACTOR } from './next-step.ts';

/** Of a tenant's settings, what sign-in looks at. */
export interface TenantLoginSettings {
  signUp: TenantSettings['signUp'];
  /** Whoever comes may create an account with a password. */
  registration: boolean;
  /** An address has to be proven before the first sign-in ends. */
  verifiedEmail: boolean;
  /** Ids of the ways to sign in that are offered; all of them where nothing is said. */
  methods: readonly string[] | undefined;
  /** Whoever registers gets a tenant of their own. */
  personalTenant: TenantSettings['personalTenant'];
  secondFactor: TenantSettings['secondFactor'];
  /** ISO 3166-1 alpha-2: where telephone numbers without a country code are from. */
  country: string | undefined;
}

/** The part of `tenants.settings` that is ours, with the defaults for what is not said. */
export function loginSettingsOf(settings: unknown): TenantLoginSettings {
  const all = settingsOf({ settings: isObject(settings) ? settings : {} });
  const { signUp, verifiedEmail, methods, personalTenant, secondFactor, country } = all;
  const registration = signUp === 'open' && offersPasswords({ methods });
  return { signUp, registration, verifiedEmail, methods, personalTenant, secondFactor, country };
}

/** Whether somebody may create an account at home in the tenant; `invited` is who comes with an invitation to it. */
export const mayRegister = ({ signUp }: Pick<TenantLoginSettings, 'signUp'>, invited = false): boolean =>
  signUp === 'open' || (signUp === 'invitation' && invited);

/** Whether the tenant lets people sign in by password: where not, none is set by registration or reset either, or it would be a way in. */
export const offersPasswords = ({ methods }: Pick<TenantLoginSettings, 'methods'>): boolean =>
  methods === undefined || methods.includes('password');

type OfferedMethod = Pick<LoginMethod, 'id' | 'factor' | 'first' | 'means' | 'strong' | 'onlyNamed'>;

export const offeredMethod = ({ id, factor, first, means, strong, onlyNamed }: OfferedMethod): LoginPolicy['methods'][number] => ({
  id,
  factor,
  first,
  ...(means === undefined ? {} : { means }),
  ...(strong === undefined ? {} : { strong }),
  ...(onlyNamed === undefined ? {} : { onlyNamed }),
});

/**
 * What is asked of one sign-in: by the tenant, and by the request where it wants a higher assurance. A method that the tenant does not offer is
 * no first step; as a second factor it stays where the person has set it up, so that nobody is locked out or let in without.
 */
export function policyOf(
  methods: LoginPolicy['methods'],
  settings: TenantLoginSettings,
  requiredAcr: string = ONE_FACTOR,
  enrol: readonly string[] = [],
): LoginPolicy {
  const { methods: offered } = settings;
  return {
    methods: methods.map((method) =>
      (offered ? offered.some((id) => id === method.id || id.startsWith(`${method.id}:`)) : !method.onlyNamed)
        ? method
        : { ...method, first: false },
    ),
    verifiedEmail: settings.verifiedEmail,
    requiredAcr,
    ...(settings.secondFactor !== 'off' && enrol.length > 0 ? { enrol } : {}),
  };
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value);
