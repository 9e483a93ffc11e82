import type { Clock } from '../../core/clock.ts';
import type { Limits } from '../../infra/limits.ts';
import type { QueueMail } from '../../infra/mail.ts';
import type { Database, Sql } from '../../infra/postgres.ts';
import type { Transact } from '../audit/index.ts';
import type { RoleBook, RoleFacts } from '../roles/index.ts';

export type InvitationStatus = 'pending' | 'accepted' | 'declined' | 'revoked' | 'expired';

/** What an invitation is made of. */
export interface NewInvitation {
  email: string;
  /** Names or ids; the tenant's `member` role where nothing is said. */
  roles?: readonly string[] | undefined;
  /** 60 seconds to 30 days; 7 days where nothing is said. */
  expiresInSeconds?: number | undefined;
  /** What the tenant keeps of the member from then on. */
  attributes?: Readonly<Record<string, unknown>> | undefined;
}

/** What the mail tells. */
export interface InvitationMail {
  issuer: string;
  tenant: string;
  /** What whoever invites is called, where a person does who has a name. */
  inviter?: string | undefined;
  url: string;
  until: Date;
}

export interface InvitationDeps {
  db: Database;
  clock: Clock;
  transact: Transact;
  limits: Pick<Limits, 'consume'>;
  queueMail: QueueMail;
  render(mail: InvitationMail): { subject: string; html: string; text: string };
  bookOf(roles: readonly RoleFacts[]): RoleBook;
  /** Throws 422 where a value does not fit the tenant's definitions. */
  checkAttributes(sql: Sql, tenantId: string, attributes: Readonly<Record<string, unknown>>): Promise<void>;
  /** Where the link leads, whichever issuer is asked to invite. */
  baseIssuer: string;
}

/** An invitation as the API shows it; never its secret. */
export interface InvitationView {
  id: string;
  email: string;
  roles: string[];
  attributes: Record<string, unknown>;
  status: InvitationStatus;
  expiresAt: string;
  invitedBy: { type: string; id: string } | null;
  acceptedBy: string | null;
  decidedAt: string | null;
  sentCount: number;
  sentAt: string;
  createdAt: string;
}

/** What the invited person sees of it. */
export interface ShownInvitation {
  id: string;
  tenantId: string;
  tenant: string;
  tenantStatus: 'active' | 'suspended' | 'deleted';
  email: string;
  emailKey: string;
  status: InvitationStatus;
  expiresAt: string;
  acceptedBy: string | null;
  inviter: string | null;
  roles: readonly string[];
}
