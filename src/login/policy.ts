import { settingsOf, type TenantSettings } from '../features/tenants/settings.ts';
import { type LoginPolicy, ONE_FACTOR } from './next-step.ts';

/** Of a tenant's settings, what sign-in looks at. */
export interface TenantLoginSettings {
  signUp: TenantSettings['signUp'];
  /** Everybody may create an account. */
  registration: boolean;
  /** An address has to be proven before the first sign-in ends. */
  verifiedEmail: boolean;
  /** Ids of the ways to sign in that are offered; all of them where nothing is said. */
  methods: readonly string[] | undefined;
  /** Whoever registers gets a tenant of their own. */
  personalTenant: TenantSettings['personalTenant'];
}

/** The part of `tenants.settings` that is ours, with the defaults for what is not said. */
export function loginSettingsOf(settings: unknown): TenantLoginSettings {
  const { signUp, verifiedEmail, methods, personalTenant } = settingsOf({ settings: isObject(settings) ? settings : {} });
  return { signUp, registration: signUp === 'open', verifiedEmail, methods, personalTenant };
}

/** Whether somebody may create an account at home in the tenant; `invited` is who comes with an invitation to it. */
export const mayRegister = ({ signUp }: Pick<TenantLoginSettings, 'signUp'>, invited = false): boolean =>
  signUp === 'open' || (signUp === 'invitation' && invited);

/** What is asked of one sign-in: by the tenant, and by the request where it wants a higher assurance. */
export function policyOf(methods: LoginPolicy['methods'], settings: TenantLoginSettings, requiredAcr: string = ONE_FACTOR): LoginPolicy {
  const { methods: offered } = settings;
  return {
    methods: offered ? methods.filter(({ id }) => offered.includes(id)) : methods,
    verifiedEmail: settings.verifiedEmail,
    requiredAcr,
  };
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value);
