import type { MeteredMetric } from '../../core/tenant-limits.ts';

/** Counts what tenants use; told to the database every few seconds, for all of them at once. */
export interface Meter {
  /** `amount` more of it; never throws, and costs no statement. */
  count(tenantId: string, metric: Exclude<MeteredMetric, 'monthlyActiveUsers'>, amount?: number): void;
  /** Whether so much more fits; always, and without a statement, where the tenant has no such limit. */
  allows(tenantId: string, metric: Exclude<MeteredMetric, 'monthlyActiveUsers'>, amount?: number): Promise<boolean>;
  /** The person was active in the tenant; counted once a month. */
  active(tenantId: string, userId: string): void;
  /** Whether the person may be active this month: who was already always may. */
  admits(tenantId: string, userId: string): Promise<boolean>;
  /** Tells the database now. */
  flush(): Promise<void>;
  close(): Promise<void>;
}
