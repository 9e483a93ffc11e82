import { type Static, Type } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import { epochSeconds } from '../../core/clock.ts';
import { newSecret } from '../../core/ids.ts';
import type { OidcService, SecondFactorService } from '../../features/second-factor-service/index.ts';
import { secondFactorCallback } from '../../features/second-factor-service/routes.ts';
import { emailKey } from '../identifiers.ts';
import type { Account, LoginMethod, Refused } from '../method.ts';
import { hostOf, type ProviderClient } from '../second-factor-provider.ts';
import { type UpstreamPerson, UpstreamRefused } from '../social/provider.ts';
import { knownAmr } from './external-2fa.ts';

export const EXTERNAL_OIDC = 'external-oidc';

const TEXT = Type.String({ maxLength: 8192 });

/** An object, so that no form of a page and no code of an app can pass for it: what a browser brings comes by its callback alone. */
const Input = Type.Object({
  external: Type.Object({
    /** In front of the state: the interaction's uid, where the browser's answer belongs. */
    interaction: Type.Optional(Type.String()),
    answer: Type.Optional(Type.Array(Type.Tuple([TEXT, TEXT]), { maxItems: 20 })),
  }),
});
export type ExternalInput = Static<typeof Input>['external'];

const Asked = Type.Object({
  revision: Type.String(),
  redirectUri: Type.String(),
  state: Type.String(),
  nonce: Type.String(),
  verifier: Type.String(),
  /** Seconds since the epoch. */
  at: Type.Integer(),
});

const TOLERANCE_SECONDS = 60;
/** The provider is away, as opposed to refusing. What the browser brings says nothing of that: it may be made up. */
const AWAY: ReadonlySet<string> = new Set(['upstream.unreachable', 'upstream.timeout']);

export interface ExternalOidcDeps {
  /** The service that the person is to be asked by: that of the home, where they fall under it. */
  serviceOf(account: Pick<Account, 'id' | 'homeTenantId'>): Promise<SecondFactorService | undefined>;
  client: ProviderClient;
}

/**
 * A second factor that the tenant has proven at an OpenID provider of its own. The provider is told whom it is about, and has to answer about that
 * person: what it says leads to nobody else, finds nobody and makes nobody.
 */
export function externalOidcMethod({ serviceOf, client }: ExternalOidcDeps): LoginMethod<typeof Input> {
  const providerOf = async (account: Account | undefined): Promise<OidcService | undefined> => {
    const service = account && (await serviceOf(account));
    return service?.kind === 'oidc' ? service : undefined;
  };
  const no = (reason: string): Refused => ({ ok: false, reason });
  return {
    id: EXTERNAL_OIDC,
    factor: 'possession',
    amr: [],
    first: false,
    alone: true,
    input: Input,
    enrolled: async (account) => (await providerOf(account)) !== undefined,

    async begin({ account, issuer, locale, now }, input) {
      const service = await providerOf(account);
      if (!account || !service) return { refused: no('external.none') };
      // Where the browser comes back to is a page's: no other door has one.
      if (!Value.Check(Input, input) || input.external.interaction === undefined) return { refused: no('external.browser_only') };
      const loginHint = expectedOf(service, account);
      if (loginHint === undefined) return { refused: no('external.no_address') };
      const asked: Static<typeof Asked> = {
        revision: service.revision,
        redirectUri: secondFactorCallback(issuer, service.tenantId),
        state: `${input.external.interaction}.${newSecret()}`,
        nonce: newSecret(),
        verifier: newSecret(48),
        at: epochSeconds(now),
      };
      const parameters = {
        max_age: String(service.maxAgeSeconds),
        ...(service.acrValues.length > 0 ? { acr_values: service.acrValues.join(' ') } : {}),
      };
      try {
        const redirect = await client.begin(service, { ...asked, loginHint, locale, parameters });
        return { state: asked, challenge: { host: hostOf(service.issuer) }, redirect: redirect.href };
      } catch {
        return { refused: { ...no('external.unavailable'), unavailable: service.whenUnavailable } };
      }
    },

    async verify({ account, begun }, { external: { answer } }) {
      if (!account) return no('account.unknown');
      const service = await providerOf(account);
      if (!service) return no('external.none');
      // Asked before the tenant changed whom: that answer is none of this provider's.
      if (!Value.Check(Asked, begun) || begun.revision !== service.revision || !answer) return no('external.not_begun');
      try {
        const person = await client.finish(service, { ...begun, params: new URLSearchParams(answer) });
        const fault = faultOf(service, account, person, begun.at);
        return fault === undefined ? { ok: true, userId: account.id, amr: knownAmr(person.amr) } : no(fault);
      } catch (error) {
        if (!(error instanceof UpstreamRefused)) throw error;
        return AWAY.has(error.reason) ? { ...no('external.unavailable'), unavailable: service.whenUnavailable } : no(error.reason);
      }
    },
  };
}

/** What the provider has to call the person; undefined where the account has no such thing. */
const expectedOf = ({ subjectClaim }: OidcService, { id, email, emailVerified }: Account): string | undefined =>
  subjectClaim === 'sub' ? id : emailVerified ? email : undefined;

function faultOf(service: OidcService, account: Account, person: UpstreamPerson, askedAt: number): string | undefined {
  const { acr, auth_time: authTime } = person.claims;
  const expected = expectedOf(service, account);
  if (expected === undefined) return 'external.no_address';
  if (service.subjectClaim === 'sub' && person.subject !== expected) return 'external.other_person';
  if (service.subjectClaim === 'email' && !person.emailVerified) return 'external.email_unverified';
  if (service.subjectClaim === 'email' && emailKey(person.email ?? '') !== emailKey(expected)) return 'external.other_person';
  if (service.acrValues.length > 0 && !(typeof acr === 'string' && service.acrValues.includes(acr))) return 'external.acr';
  if (service.amrValues.length > 0 && !service.amrValues.some((value) => person.amr?.includes(value))) return 'external.amr';
  // OpenID Connect Core section 3.1.2.1: where `max_age` is asked for, the token says when.
  if (typeof authTime !== 'number' || authTime < askedAt - service.maxAgeSeconds - TOLERANCE_SECONDS) return 'external.auth_time';
  return undefined;
}
