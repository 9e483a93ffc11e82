/** What jobs that tell a person of something keep of its cause: sealed, since it says who was where. */
import { type Static, type TObject, Type } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import type { Clock } from '../core/clock.ts';
import { DEFAULT_LOCALE } from '../core/messages/catalogue.ts';
import { anonymousScope, type Scope } from '../core/scope.ts';
import type { Transact } from '../features/audit/index.ts';
import type { Jobs } from '../infra/jobs.ts';
import type { Limits } from '../infra/limits.ts';
import type { QueueMail } from '../infra/mail.ts';
import type { SecretBox } from '../infra/secret-box.ts';
import type { Person } from './people-store.ts';

export interface NoticeDeps {
  box: SecretBox;
  clock: Clock;
  limits: Limits;
  jobs: Pick<Jobs, 'add'>;
  transact: Transact;
  queueMail: QueueMail;
  /** Whether mail can be sent. */
  mail: boolean;
  findPerson(id: string): Promise<Person | undefined>;
}

export const REQUEST = Type.Object({
  tenantId: Type.String(),
  clientId: Type.Optional(Type.String()),
  /** Milliseconds since the epoch. */
  at: Type.Integer(),
  /** Of who caused it; the person's own goes before it. */
  locale: Type.String(),
  request: Type.Object({ id: Type.String(), address: Type.String(), device: Type.String(), issuer: Type.String() }),
});

export const atPerson = (
  { clock }: Pick<NoticeDeps, 'clock'>,
  { tenantId, clientId, request }: Scope,
  locale = DEFAULT_LOCALE,
): Static<typeof REQUEST> => ({
  tenantId,
  ...(clientId === undefined ? {} : { clientId }),
  at: clock.now().getTime(),
  locale,
  request: { id: request.id, address: request.address, device: request.device, issuer: request.issuer },
});

export const sealNotice = ({ box }: Pick<NoticeDeps, 'box'>, context: string, told: object): { sealed: string } => ({
  sealed: box.seal(JSON.stringify(told), context).toString('base64'),
});

/** Throws where the payload is not one of this version. */
export function openNotice<T extends TObject>({ box }: Pick<NoticeDeps, 'box'>, context: string, schema: T, payload: unknown): Static<T> {
  const sealed = (payload as { sealed?: unknown } | null)?.sealed;
  const told: unknown = JSON.parse(box.open(Buffer.from(String(sealed), 'base64'), context).toString('utf8'));
  if (!Value.Check(schema, told)) throw new TypeError(`${context}: not a notice of this version`);
  return told;
}

export const scopeOfNotice = ({ tenantId, clientId, request }: Static<typeof REQUEST>): Scope => ({
  ...anonymousScope(tenantId, clientId),
  request,
});
