import type { SecretBox } from '../../infra/secret-box.ts';
import type { SessionClient, SessionRecord } from './index.ts';
import type { SessionRow } from './store.ts';

/** How stored keys follow from the protocol's ids. */
export interface Keyring {
  box: Pick<SecretBox, 'open'>;
  /** Every issuer of the installation, the base issuer first. */
  issuers(): readonly string[];
  keyOf(issuer: string, model: string, id: string): string;
}

/** One session out of its rows: a session whose id was just exchanged has two for a moment. `rows` is not empty. */
export function recordsOf(keyring: Keyring, rows: readonly SessionRow[]): SessionRecord {
  const [row, ...older] = [...rows].sort((a, b) => b.created_at.getTime() - a.created_at.getTime());
  if (!row) throw new RangeError('a session has at least one row');
  const { payload } = row;
  const issuers = keyring.issuers();
  const issuer = issuers.find((url) => payload.uid !== undefined && keyring.keyOf(url, 'uid', payload.uid) === row.uid) ?? issuers[0] ?? '';
  const views = [...older.reverse(), row].flatMap((one) => Object.entries(one.payload.authorizations ?? {}));
  const latest = new Map(views.sort(([, a], [, b]) => (a.at ?? 0) - (b.at ?? 0)));
  const clients = [...latest].map(
    ([clientId, { sid, grantId, persistsLogout }]): SessionClient => ({
      clientId,
      sid: sid ?? '',
      grantId,
      offline: persistsLogout === true,
    }),
  );
  const facts = openFacts(keyring.box, row.sealed);
  return {
    id: row.uid,
    issuer,
    userId: row.user_id,
    authenticatedAt: payload.loginTs === undefined ? row.created_at : new Date(payload.loginTs * 1000),
    createdAt: row.created_at,
    lastSeenAt: row.seen_at,
    expiresAt: row.expires_at,
    acr: payload.acr,
    amr: payload.amr ?? [],
    ...facts,
    clients,
  };
}

/** Sealed by the protocol's adapter, with this context. */
const CONTEXT = 'session';

function openFacts(box: Pick<SecretBox, 'open'>, sealed: Buffer | null): { address: string | undefined; device: string | undefined } {
  if (!sealed) return { address: undefined, device: undefined };
  try {
    const facts = JSON.parse(box.open(sealed, CONTEXT).toString()) as Record<string, unknown>;
    const text = (value: unknown): string | undefined => (typeof value === 'string' && value !== '' ? value : undefined);
    return { address: text(facts['address']), device: text(facts['device']) };
  } catch {
    return { address: undefined, device: undefined };
  }
}
