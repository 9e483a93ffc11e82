import type { Work } from '../features/audit/index.ts';
import type { FlowDeps, Position } from './flow.ts';
import { renderMail } from './mails/render.ts';

/** Tells the person that the password was changed, in the transaction that changes it. */
export async function tellPasswordChanged(
  deps: Pick<FlowDeps, 'clock' | 'queueMail'>,
  work: Work,
  { scope, locale }: Pick<Position, 'scope' | 'locale'>,
  email: string,
): Promise<void> {
  const { address, device, issuer } = scope.request;
  const mail = renderMail('password-changed', locale, {
    cause: { at: deps.clock.now(), address, device },
    issuer,
    resetUrl: `${issuer}/account`,
  });
  await deps.queueMail({ to: email, ...mail }, work.sql, { tenantId: scope.tenantId });
}
