/** The billing service, where there is one: every command that runs into a limit asks it. */
import type { Config } from '../config.ts';
import type { Audit } from '../features/audit/record.ts';
import type { Billing } from '../features/plans/billing.ts';
import type { TenantCache } from '../features/tenants/index.ts';
import type { Logger } from '../infra/log.ts';
import type { Metrics } from '../infra/metrics.ts';
import { createOutboundFetch } from '../infra/outbound-http.ts';

export interface BillingParts {
  config: Pick<Config, 'billingUrl' | 'billingToken' | 'outboundAllowHosts'>;
  audit: Audit;
  tenants: TenantCache;
  metrics: Metrics;
  log: Logger;
  closers: (() => Promise<unknown>)[];
}

const OPEN = { closed: 0, half_open: 0.5, open: 1 } as const;

/** The audit log with transactions that try again where billing makes room; as it is, and nothing read from disk, where nobody bills. */
export async function billed({
  config,
  audit,
  tenants,
  metrics,
  log,
  closers,
}: BillingParts): Promise<{ audit: Audit; billing: Billing | undefined }> {
  if (config.billingUrl === undefined) return { audit, billing: undefined };
  const { createBilling, withBilling } = await import('../features/plans/billing.ts');
  // Whoever runs the installation named it, so that it may be private.
  const fetch = createOutboundFetch({ allowHosts: [...config.outboundAllowHosts, new URL(config.billingUrl).host] });
  const billing = createBilling({
    url: config.billingUrl,
    token: config.billingToken,
    fetch,
    transact: audit.transact,
    changed: tenants.drop,
    log: (message, error) => log.warn({ err: error }, message),
    onChange(state) {
      metrics.circuit('billing', OPEN[state]);
      log.warn({ service: 'billing', state }, 'the circuit of a service changed');
    },
  });
  metrics.circuit('billing', 0);
  closers.push(async () => {
    billing.close();
    await fetch.close();
  });
  return { audit: { ...audit, transact: withBilling(audit.transact, billing) }, billing };
}
