import { Type } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import { newSecret } from '../../core/ids.ts';
import type { HttpService, SecondFactorService } from '../../features/second-factor-service/index.ts';
import type { Account, LoginMethod } from '../method.ts';
import type { ServiceClient } from '../second-factor-service.ts';

export const EXTERNAL_2FA = 'external-2fa';

const Input = Type.Object({ code: Type.String({ minLength: 1, maxLength: 64 }) });
const Asked = Type.Object({ challengeId: Type.String(), revision: Type.String() });

/** Of what a service may say of how somebody was asked, what contract and RFC 8176 know. */
const AMR: ReadonlySet<string> = new Set(['otp', 'sms', 'hwk', 'swk', 'user']);
export const knownAmr = (said: readonly string[] = []): string[] => said.filter((value) => AMR.has(value));

export interface External2faDeps {
  /** The service that the person is to be asked by: that of the home, where they fall under it. */
  serviceOf(account: Pick<Account, 'id' | 'homeTenantId'>): Promise<SecondFactorService | undefined>;
  client: ServiceClient;
}

/** A second factor that the tenant has proven at a service of its own: asked by HTTP, and the code that it gave judged there. */
export function external2faMethod({ serviceOf: anyOf, client }: External2faDeps): LoginMethod<typeof Input> {
  const serviceOf = async (account: Account): Promise<HttpService | undefined> => {
    const service = await anyOf(account);
    return service?.kind === 'http' ? service : undefined;
  };
  return {
    id: EXTERNAL_2FA,
    factor: 'possession',
    amr: [],
    first: false,
    alone: true,
    notifies: true,
    input: Input,
    enrolled: async (account) => (await serviceOf(account)) !== undefined,

    async begin({ account, purpose }) {
      const service = account && (await serviceOf(account));
      if (!account || !service) return { refused: { ok: false, reason: 'external.none' } };
      const challengeId = newSecret();
      const { id: userId, email: username } = account;
      const { tenantId, revision, whenUnavailable: unavailable } = service;
      try {
        const said = await client.challenge(service, { challengeId, userId, username, purpose, tenantId });
        if (!said) return { refused: { ok: false, reason: 'external.refused' } };
        const message = said.message?.trim();
        return { state: { challengeId, revision }, challenge: message ? { message } : {} };
      } catch {
        return { refused: { ok: false, reason: 'external.unavailable', unavailable } };
      }
    },

    async verify({ account, begun }, { code }) {
      if (!account) return { ok: false, reason: 'account.unknown' };
      const service = await serviceOf(account);
      if (!service) return { ok: false, reason: 'external.none' };
      // Asked for before the tenant changed where: that code is none of this service's.
      if (!Value.Check(Asked, begun) || begun.revision !== service.revision) return { ok: false, reason: 'external.not_begun' };
      try {
        const said = await client.verify(service, { challengeId: begun.challengeId, code: code.trim() });
        if (said?.ok !== true) return { ok: false, reason: 'external.wrong' };
        return { ok: true, userId: account.id, amr: knownAmr(said.amr) };
      } catch {
        return { ok: false, reason: 'external.unavailable', unavailable: service.whenUnavailable };
      }
    },
  };
}
