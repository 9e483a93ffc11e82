/** API keys as bearer tokens: found by hash only, and judged by what their owner may do now. */
import type { Clock } from '../core/clock.ts';
import { sha256 } from '../core/ids.ts';
import { isManagementPermission } from '../core/permissions.ts';
import { currentRequest, type Scope } from '../core/scope.ts';
import type { ApiKeyState, ApiKeyUses } from '../features/api-keys/index.ts';
import { isApiKey } from '../features/api-keys/key.ts';
import { findForProtocol } from '../features/api-keys/store.ts';
import type { RoleBooks } from '../features/roles/index.ts';
import type { Database } from '../infra/postgres.ts';

export interface ApiKeyDoorDeps {
  db: Database;
  clock: Clock;
  roles: Pick<RoleBooks, 'of'>;
  uses: Pick<ApiKeyUses, 'note'>;
}

export interface LiveKey {
  state: ApiKeyState;
  /** What the key was given and its owner holds. */
  permissions: ReadonlySet<string>;
  platform: boolean;
}

export interface ApiKeyDoor {
  /** The key as it is now; undefined where there is none, or it is dead. One statement, none where the checksum is wrong. */
  find(key: string): Promise<LiveKey | undefined>;
  /** The same as the scope of a request that is made with it; notes the use. */
  authenticate(key: string): Promise<Scope | undefined>;
}

export function createApiKeyDoor({ db, clock, roles, uses }: ApiKeyDoorDeps): ApiKeyDoor {
  async function find(key: string): Promise<LiveKey | undefined> {
    const state = isApiKey(key) ? await findForProtocol(db, sha256(key)) : undefined;
    // The database's clock and ours may differ; whichever is ahead ends it.
    if (!state?.alive || (state.expiresAt !== null && state.expiresAt * 1000 <= clock.now().getTime())) return undefined;
    const { owner } = state;
    const held = owner.type === 'client' ? new Set(owner.permissions) : (await roles.of(state.tenantId)).permissionsOf(owner.roles);
    return {
      state,
      permissions: new Set(state.permissions.filter((name) => held.has(name))),
      platform:
        state.tenantType === 'root' &&
        (owner.type === 'client' ? owner.tenantId === state.tenantId : [...held].some(isManagementPermission)),
    };
  }

  return {
    find,
    async authenticate(key) {
      const live = await find(key);
      if (!live) return undefined;
      const { id, tenantId, owner } = live.state;
      uses.note(live.state);
      return {
        tenantId,
        actor: { type: 'api_key', id, owner: { type: owner.type, id: owner.id } },
        request: currentRequest.getStore() ?? { id: '', address: '', device: '', issuer: '' },
        permissions: live.permissions,
        platform: live.platform,
      };
    },
  };
}
