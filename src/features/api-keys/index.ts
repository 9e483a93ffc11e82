/** A key as a request is judged by it: everything that its right depends on, as it is now. */
export interface ApiKeyState {
  id: string;
  tenantId: string;
  tenantType: string;
  /** Its own, less what the key that made it may not do. */
  permissions: readonly string[];
  /** Seconds since the epoch. */
  lastUsedAt: number | null;
  expiresAt: number | null;
  /** False where it has expired, or its owner, maker or tenant may not act. */
  alive: boolean;
  owner:
    | { type: 'user'; id: string; roles: readonly string[] }
    | { type: 'client'; id: string; permissions: readonly string[]; tenantId: string };
}

export interface ApiKeyUses {
  /** Says that the key was used; written with others, at most once a minute. */
  note(key: Pick<ApiKeyState, 'id' | 'lastUsedAt'>): void;
  /** Writes what is waiting. */
  close(): Promise<void>;
}
