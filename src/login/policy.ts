import { type LoginPolicy, ONE_FACTOR } from './next-step.ts';

/** Of a tenant's settings, what sign-in looks at. */
export interface TenantLoginSettings {
  /** People may create accounts by themselves. */
  registration: boolean;
  /** An address has to be proven before the first sign-in ends. */
  verifiedEmail: boolean;
}

const DEFAULTS: TenantLoginSettings = { registration: true, verifiedEmail: false };

/** The part of `tenants.settings` that is ours, with the defaults for what is not said. */
export function loginSettingsOf(settings: unknown): TenantLoginSettings {
  const login = member(settings, 'login');
  return {
    registration: flag(member(login, 'registration'), DEFAULTS.registration),
    verifiedEmail: flag(member(login, 'verifiedEmail'), DEFAULTS.verifiedEmail),
  };
}

/** What is asked of one sign-in: by the tenant, and by the request where it wants a higher assurance. */
export function policyOf(methods: LoginPolicy['methods'], settings: TenantLoginSettings, requiredAcr: string = ONE_FACTOR): LoginPolicy {
  return { methods, verifiedEmail: settings.verifiedEmail, requiredAcr };
}

const flag = (value: unknown, fallback: boolean): boolean => (typeof value === 'boolean' ? value : fallback);

function member(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, name) ? (value as Record<string, unknown>)[name] : undefined;
}
