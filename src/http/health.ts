import { Type } from '@sinclair/typebox';
import type { HttpLog } from './log.ts';
import { answer, type Route, route } from './route.ts';

/** Throws where something that answers need is not there. Must not wait for the pool that requests use. */
export type HealthCheck = () => Promise<void>;

export interface Health {
  /** Whether requests should come here: every check passes and nobody asked us to stop. */
  isReady(): Promise<boolean>;
  /** From now on not ready, so that balancers look elsewhere. */
  stop(): void;
}

const TIMEOUT_MS = 2000;
const KEPT_MS = 500;

/** Runs the checks at most twice a second, however often it is asked. */
export function createHealth(checks: Readonly<Record<string, HealthCheck>>, log?: HttpLog): Health {
  let stopping = false;
  let last: { at: number; ready: Promise<boolean> } | undefined;
  const passes = async ([name, check]: [string, HealthCheck]): Promise<boolean> => {
    let timer: NodeJS.Timeout | undefined;
    try {
      const late = new Promise<never>((_, reject) => {
        timer = setTimeout(() => reject(new Error(`no answer within ${TIMEOUT_MS} ms`)), TIMEOUT_MS);
      });
      await Promise.race([check(), late]);
      return true;
    } catch (error) {
      log?.warn({ check: name, err: error }, 'not ready');
      return false;
    } finally {
      clearTimeout(timer);
    }
  };
  return {
    async isReady() {
      if (stopping) return false;
      if (!last || performance.now() - last.at > KEPT_MS)
        last = { at: performance.now(), ready: Promise.all(Object.entries(checks).map(passes)).then((all) => all.every(Boolean)) };
      return (await last.ready) && !stopping;
    },
    stop() {
      stopping = true;
    },
  };
}

const LIVE = Type.Object({ status: Type.Literal('ok') });
const NOT_READY = Type.Object({ status: Type.Literal('unavailable') });

/** The probes as routes; the server answers them for any host. What is wrong stands in the log, not in the answer. */
export const healthRoutes = (health: Health): Route[] => [
  route('GET /health/live', {
    summary: 'Whether the process answers',
    tag: 'Health',
    access: 'public',
    reply: LIVE,
    handle: async () => ({ status: 'ok' as const }),
  }),
  route('GET /health/ready', {
    summary: 'Whether requests should be sent here',
    tag: 'Health',
    access: 'public',
    reply: LIVE,
    also: { 503: NOT_READY },
    handle: async () => ((await health.isReady()) ? { status: 'ok' as const } : answer({ status: 'unavailable' }, { status: 503 })),
  }),
];
