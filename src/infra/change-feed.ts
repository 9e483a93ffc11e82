/** Tells a process what changed in the database: notifications as they come, and a revision check behind them that finds what they missed. */
import type { Database, Statement } from './postgres.ts';

export interface Change {
  /** The row's key; undefined where anything of the kind may have changed. */
  id: string | undefined;
}

export interface ChangeFeed {
  /** Calls back for each change of the kind, until the answered function is called. A listener must not throw. */
  on(kind: string, listener: (change: Change) => void): () => void;
  /** Tells this process at once of a change that it has just committed itself; the others hear of it as always. */
  announce(kind: string, id: string): void;
  /** Whether the last successful revision check is recent: where it is not, caches must be read past. */
  isFresh(): boolean;
  /** Checks the revisions now; throws 503 where the database does not answer. */
  check(): Promise<void>;
  stop(): Promise<void>;
}

export interface ChangeFeedOptions {
  /** How often revisions are compared. */
  intervalMs?: number;
  /** How old the last successful check may be for `isFresh`. */
  maxAgeMs?: number;
  log?: (message: string, error?: unknown) => void;
}

const CHANNEL = 'gatehouse_changed';
const REVISIONS: Statement = { name: 'revisions', text: 'select kind, revision::float8 as revision from revisions' };

/**
 * Starts listening. Notifications of a kind carry consecutive revisions, in the order of their commits, so that a gap shows that one was
 * lost; then, and after each reconnection, listeners hear that everything may have changed.
 */
export async function createChangeFeed(db: Database, options: ChangeFeedOptions = {}): Promise<ChangeFeed> {
  const { intervalMs = 2000, maxAgeMs = 10_000, log = () => {} } = options;
  const listeners = new Map<string, Set<(change: Change) => void>>();
  const known = new Map<string, number>();
  let checkedAt = Number.NEGATIVE_INFINITY;
  let checking: Promise<void> | undefined;

  const tell = (kind: string, id: string | undefined): void => {
    for (const listener of listeners.get(kind) ?? []) listener({ id });
  };
  const tellAll = (): void => {
    for (const kind of listeners.keys()) tell(kind, undefined);
  };

  function hear(payload: string): void {
    const message = parse(payload);
    if (!message) {
      tellAll();
      return;
    }
    const { kind, id, revision } = message;
    const last = known.get(kind) ?? 0;
    const gap = revision !== undefined && revision > last + 1;
    if (revision !== undefined) known.set(kind, Math.max(last, revision));
    tell(kind, gap ? undefined : id);
  }

  function check(): Promise<void> {
    checking ??= compare().finally(() => {
      checking = undefined;
    });
    return checking;
  }

  async function compare(): Promise<void> {
    const startedAt = performance.now();
    const rows = await db.query<{ kind: string; revision: number }>(REVISIONS, []);
    for (const { kind, revision } of rows) {
      if (revision <= (known.get(kind) ?? 0)) continue;
      known.set(kind, revision);
      tell(kind, undefined);
    }
    checkedAt = startedAt;
  }

  const stopListening = await db.listen(CHANNEL, hear, tellAll);
  await check();
  const timer = setInterval(() => {
    check().catch((error: unknown) => log('the revision check failed', error));
  }, intervalMs);
  timer.unref();

  return {
    on(kind, listener) {
      const those = listeners.get(kind) ?? new Set();
      listeners.set(kind, those.add(listener));
      return () => those.delete(listener);
    },
    announce: tell,
    isFresh: () => performance.now() - checkedAt <= maxAgeMs,
    check,
    async stop() {
      clearInterval(timer);
      await checking?.catch(() => {});
      await stopListening();
    },
  };
}

function parse(payload: string): { kind: string; id: string | undefined; revision: number | undefined } | undefined {
  try {
    const { kind, id, revision } = JSON.parse(payload) as Record<string, unknown>;
    if (typeof kind !== 'string') return undefined;
    return { kind, id: typeof id === 'string' ? id : undefined, revision: typeof revision === 'number' ? revision : undefined };
  } catch {
    return undefined;
  }
}
