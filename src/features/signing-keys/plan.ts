/** What is to be done with the signing keys: a pure function of what there is, the time and what is wished for. */
import type { KeySchedule, SigningAlg, SigningKey } from './index.ts';
import { SIGNING_ALGS } from './index.ts';

export type Wish =
  /** Only what the schedule asks for. */
  | { mode: 'tend' }
  /** Go on to the next key, as soon as everybody may have seen it. */
  | { mode: 'scheduled'; algs: readonly SigningAlg[] }
  /** Take back every key that has signed, now. */
  | { mode: 'emergency'; algs: readonly SigningAlg[] };

export type Step =
  | { do: 'delete' | 'retire' | 'revoke' | 'activate'; kid: string; alg: SigningAlg }
  | { do: 'create'; alg: SigningAlg; state: 'active' | 'next' };

export interface Plan {
  /** In the order in which they have to be taken: one key signs and one waits for each algorithm. */
  steps: Step[];
  /** When the wish can be granted, where a key has not been published for long enough. */
  laterAt: Date | undefined;
}

const RANK = { delete: 0, revoke: 1, retire: 2, activate: 3, create: 4 } as const;

/** Instants are the database's. A new installation gets an active and a next key for each algorithm. */
export function planKeys(keys: readonly SigningKey[], now: Date, schedule: KeySchedule, wish: Wish): Plan {
  const plans = SIGNING_ALGS.map((alg) =>
    planAlg(
      alg,
      keys.filter((key) => key.alg === alg),
      now,
      schedule,
      wish.mode !== 'tend' && wish.algs.includes(alg) ? wish.mode : 'tend',
    ),
  );
  const later = plans.flatMap(({ laterAt }) => laterAt ?? []).sort((a, b) => b.getTime() - a.getTime());
  return { steps: plans.flatMap(({ steps }) => steps).sort((a, b) => RANK[a.do] - RANK[b.do]), laterAt: later[0] };
}

function planAlg(alg: SigningAlg, keys: readonly SigningKey[], now: Date, schedule: KeySchedule, mode: Wish['mode']): Plan {
  const steps: Step[] = [];
  const active = keys.find(({ state }) => state === 'active');
  const next = keys.find(({ state }) => state === 'next');
  const retired = keys.filter(({ state }) => state === 'retired');
  let laterAt: Date | undefined;

  if (mode === 'emergency') {
    for (const key of [active, ...retired]) if (key) steps.push({ do: 'revoke', kid: key.kid, alg });
  } else {
    for (const key of retired) {
      if (after(key.retiredAt, schedule.longestTokenSeconds + schedule.jwksMaxAgeSeconds) <= now)
        steps.push({ do: 'delete', kid: key.kid, alg });
    }
  }

  const due = active && (mode === 'scheduled' || after(active.activatedAt, schedule.periodSeconds) <= now);
  const readyAt = next ? after(next.publishedAt, schedule.jwksMaxAgeSeconds + schedule.marginSeconds) : undefined;
  const rotates = due && mode !== 'emergency' && readyAt !== undefined && readyAt <= now;
  if (due && mode === 'scheduled' && !rotates) laterAt = readyAt ?? after(now, schedule.jwksMaxAgeSeconds + schedule.marginSeconds);
  if (rotates) steps.push({ do: 'retire', kid: active.kid, alg });

  const vacant = !active || mode === 'emergency' || rotates;
  if (vacant && next) steps.push({ do: 'activate', kid: next.kid, alg });
  if (vacant && !next) steps.push({ do: 'create', alg, state: 'active' });
  if (vacant || !next) steps.push({ do: 'create', alg, state: 'next' });
  return { steps, laterAt };
}

const after = (at: Date | null, seconds: number): Date => new Date((at?.getTime() ?? 0) + seconds * 1000);
