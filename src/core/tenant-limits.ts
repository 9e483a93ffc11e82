/** What a tenant may be limited in. */

/** Counted row by row, exactly; connections as soon as there are any. */
export const COUNTED_METRICS = ['members', 'apiKeys', 'invitations', 'connections'] as const;
/** Metered by the calendar month (UTC), in batches. */
export const METERED_METRICS = ['monthlyActiveUsers', 'decisions', 'messages'] as const;
export const METRICS = [...COUNTED_METRICS, ...METERED_METRICS] as const;

export type Metric = (typeof METRICS)[number];
export type MeteredMetric = (typeof METERED_METRICS)[number];

/** By metric; null is without a limit, whatever a plan says. */
export type LimitSet = Partial<Record<Metric, number | null>>;

/** The first day of the month of an instant, in UTC: `2026-11-01`. */
export const monthOf = (at: Date): string => `${at.toISOString().slice(0, 7)}-01`;
