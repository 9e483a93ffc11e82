/** What is taken over of what a provider says of somebody, after it was looked at. */
import type { Connection } from '../../features/connections/index.ts';
import { parseEmail } from '../identifiers.ts';
import type { ExternalIdentity } from '../method.ts';
import type { Profile } from './store.ts';

export interface Said {
  /** An address of ours in form; whether it counts is another question. */
  email: string | undefined;
  emailVerified: boolean;
  profile: Profile;
  sid: string | undefined;
  /** The provider asked for more than one factor (RFC 8176 `mfa`). */
  twoFactors: boolean;
}

const LONGEST = 100;
const LOCALE = /^[a-zA-Z]{2,8}([-_][a-zA-Z0-9]{1,8}){0,3}$/;
const BUILT_IN = { given_name: 'givenName', family_name: 'familyName', locale: 'locale' } as const;

export function saidBy(identity: ExternalIdentity, { options }: Pick<Connection, 'options'>): Said {
  const { email, emailVerified, claims, sid, amr } = identity.claims;
  const parsed = typeof email === 'string' ? parseEmail(email) : undefined;
  const told = isObject(claims) ? claims : {};
  const profile: Profile = {};
  for (const [name, ours] of Object.entries({ ...BUILT_IN, ...options.claims })) {
    const value = Object.hasOwn(told, name) ? told[name] : undefined;
    if (typeof value === 'string' && isFit(ours, value.trim())) profile[ours] = value.trim();
  }
  return {
    email: parsed,
    emailVerified: parsed !== undefined && emailVerified === true,
    profile,
    sid: typeof sid === 'string' && sid.length <= 255 ? sid : undefined,
    twoFactors: Array.isArray(amr) && amr.includes('mfa'),
  };
}

/** As a person may type it: no control characters, none that turn the direction of what follows, no mark-up, nothing that could be a link in a mail. */
const isFit = (name: keyof Profile, value: string): boolean =>
  name === 'locale'
    ? LOCALE.test(value)
    : value.length > 0 && value.length <= LONGEST && value.isWellFormed() && !/[\p{Cc}\p{Bidi_Control}<>]|https?:/iu.test(value);

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value);
