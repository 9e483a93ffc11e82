/** The signing keys and shared secrets that are in force now, opened, in process memory; read again whenever a node changed them. */
import type { JSONWebKeySet, JWK } from 'jose';
import { PRIVATE_KEY_CONTEXT, SERVER_SECRET_CONTEXT } from '../features/signing-keys/commands.ts';
import { SIGNING_ALGS, type SigningAlg } from '../features/signing-keys/index.ts';
import { listKeys, listSecrets } from '../features/signing-keys/store.ts';
import type { ChangeFeed } from '../infra/change-feed.ts';
import type { Database } from '../infra/postgres.ts';
import type { SecretBox } from '../infra/secret-box.ts';

export type PrivateJwk = JWK & { kid: string; alg: SigningAlg };

export interface Keys {
  /** Private keys: of each algorithm first the one that signs, then the next, then the retired. The same objects as long as they live. */
  jwks(): PrivateJwk[];
  publicJwks(): JSONWebKeySet;
  /** The key that signs with this algorithm. */
  signingKey(alg: SigningAlg): PrivateJwk;
  /** First signs, all verify. */
  cookieKeys(): string[];
  /** 32 bytes, the same on every node. */
  dpopNonceSecret(): Buffer;
  /** Grows with each change. */
  revision(): number;
  /** Reads them again now; throws 503 where the database does not answer. */
  reload(): Promise<void>;
  onChange(listener: () => void): void;
}

export const COOKIE_SECRET = 'cookie';
export const NONCE_SECRET = 'dpop-nonce';

interface Snapshot {
  fingerprint: string;
  jwks: PrivateJwk[];
  publicJwks: JSONWebKeySet;
  cookieKeys: string[];
  dpopNonceSecret: Buffer;
}

export interface KeysDeps {
  db: Database;
  box: SecretBox;
  feed: Pick<ChangeFeed, 'on'>;
  /** Cookie keys of the configuration; the database's own come after them. */
  cookieKeys?: readonly string[];
  log?: (message: string, error?: unknown) => void;
}

const ORDER = { active: 0, next: 1, retired: 2, revoked: 3 } as const;
const RETRY_MS = 500;

/** Needs the keys to be there: `tendKeys` and `ensureSecrets` come first. */
export async function createKeys(deps: KeysDeps): Promise<Keys> {
  const opened = new Map<string, PrivateJwk>();
  const listeners = new Set<() => void>();
  let revision = 1;
  let reading: Promise<void> = Promise.resolve();
  let current = await read();

  async function read(): Promise<Snapshot> {
    const [keys, secrets] = [await listKeys(deps.db), await listSecrets(deps.db)];
    const shown = keys
      .filter(({ state }) => state !== 'revoked')
      .sort((a, b) => SIGNING_ALGS.indexOf(a.alg) - SIGNING_ALGS.indexOf(b.alg) || ORDER[a.state] - ORDER[b.state]);
    for (const kid of opened.keys()) if (!shown.some((key) => key.kid === kid)) opened.delete(kid);
    const jwks = shown.map(({ kid, sealed }) => {
      const known = opened.get(kid) ?? (JSON.parse(deps.box.open(sealed, `${PRIVATE_KEY_CONTEXT}:${kid}`).toString()) as PrivateJwk);
      opened.set(kid, known);
      return known;
    });
    const ofKind = (kind: string): Buffer[] =>
      secrets.filter((secret) => secret.kind === kind).map(({ sealed }) => deps.box.open(sealed, `${SERVER_SECRET_CONTEXT}:${kind}`));
    const cookieKeys = [...(deps.cookieKeys ?? []), ...ofKind(COOKIE_SECRET).map((secret) => secret.toString('base64url'))];
    const dpopNonceSecret = ofKind(NONCE_SECRET)[0];
    if (jwks.length === 0 || cookieKeys.length === 0 || !dpopNonceSecret) throw new Error('signing keys or shared secrets are missing');
    return {
      fingerprint: JSON.stringify([shown.map(({ kid, state }) => [kid, state]), cookieKeys.length, secrets.length]),
      jwks,
      publicJwks: { keys: shown.map(({ publicJwk }) => publicJwk as JWK) },
      cookieKeys,
      dpopNonceSecret,
    };
  }

  /** One after the other: a later read must never be overtaken by an earlier one. */
  function reload(): Promise<void> {
    const turn = reading
      .catch(() => {})
      .then(async () => {
        const next = await read();
        if (next.fingerprint === current.fingerprint) return;
        current = next;
        revision += 1;
        for (const listener of listeners) listener();
      });
    reading = turn;
    return turn;
  }

  function reloadUntilDone(): void {
    reload().catch((error: unknown) => {
      deps.log?.('could not read the signing keys; trying again', error);
      setTimeout(reloadUntilDone, RETRY_MS).unref();
    });
  }
  deps.feed.on('keys', reloadUntilDone);

  return {
    jwks: () => [...current.jwks],
    publicJwks: () => current.publicJwks,
    signingKey(alg) {
      const key = current.jwks.find((candidate) => candidate.alg === alg);
      if (!key) throw new Error(`no key signs with ${alg}`);
      return key;
    },
    cookieKeys: () => current.cookieKeys,
    dpopNonceSecret: () => current.dpopNonceSecret,
    revision: () => revision,
    reload,
    onChange: (listener) => void listeners.add(listener),
  };
}
