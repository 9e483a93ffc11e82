/** Sign-in by what an app got from another provider by itself. */
import type { Scope } from '../../core/scope.ts';
import { attemptDirect, type DirectAnswer, type DirectClient, type DirectDeps, type Fields, tenantOf } from '../direct.ts';
import { SOCIAL, type SocialInput } from '../methods/social.ts';
import type { TenantLoginSettings } from '../policy.ts';
import type { SocialDoor } from './door.ts';
import { byName } from './offered.ts';

export interface DirectSocialDeps {
  door: SocialDoor;
  settingsOf(tenantId: string): Promise<TenantLoginSettings>;
}

const NOBODY = 'none';

/** `provider`, and `access_token`, `id_token` or `code`; through the engine as everything else. */
export const authenticateSocial =
  ({ door, settingsOf }: DirectSocialDeps) =>
  async (deps: DirectDeps, input: Fields, client: DirectClient, scope: Scope): Promise<DirectAnswer> => {
    const asking = { tenantId: scope.tenantId, settings: await settingsOf(scope.tenantId), params: { tenant: input['tenant'] } };
    const found = byName(await door.offered(asking), input['provider']);
    const social: SocialInput = {
      connection: found?.id ?? NOBODY,
      brought: Object.fromEntries(
        Object.entries({
          accessToken: input['access_token'],
          idToken: input['id_token'],
          code: input['code'],
          redirectUri: input['redirectUri'],
          codeVerifier: input['codeVerifier'],
          nonce: input['nonce'],
        }).filter(([, value]) => typeof value === 'string'),
      ),
    };
    const answer = await attemptDirect(deps.engine, client, scope, { methodId: SOCIAL, input: { social }, tenant: tenantOf(input) });
    // What is to be done about it can only be done on a page.
    return 'refused' in answer && answer.refused === 'auth.link_required' ? { refused: answer.refused, status: 403 } : answer;
  };
