/** In which tenant somebody acts at a client: decided from what is known of both, and of nothing else. */
import type { MembershipFacts } from './store.ts';

export interface ActingQuestion {
  client: {
    tenantId: string;
    /** Of the root tenant: serves the people of every tenant. Any other client serves the members of its tenant. */
    isRoot: boolean;
    /** The account application: everybody is at home there. */
    isHome?: boolean;
  };
  /** What the request names, by id or slug. */
  requested?: string | undefined;
  /** What was chosen before, by id. */
  remembered?: string | undefined;
  person: {
    homeTenantId: string;
    /** In tenants that are active. */
    memberships: readonly MembershipFacts[];
    /** That a tenant is suspended sends nobody home for the time being. */
    isSuspendedSomewhere?: boolean;
  };
}

export type ActingTenant =
  | { tenantId: string }
  /** Several fit, and only the person can say. */
  | { choose: readonly MembershipFacts[] }
  /** The same for a tenant that there is not, that is suspended, and that is somebody else's. */
  | { refused: true };

export function actingTenant({ client, requested, remembered, person }: ActingQuestion): ActingTenant {
  const { memberships, homeTenantId } = person;
  const isOnlyOne = memberships.length === 1 && !person.isSuspendedSomewhere;
  const byId = (id: string | undefined): MembershipFacts | undefined => memberships.find(({ tenantId }) => tenantId === id);
  const orRefused = (found: MembershipFacts | undefined): ActingTenant => (found ? { tenantId: found.tenantId } : { refused: true });

  if (client.isHome) return orRefused(byId(homeTenantId));
  const named =
    requested === undefined ? undefined : memberships.find(({ tenantId, slug }) => tenantId === requested || slug === requested);
  if (!client.isRoot) return orRefused(requested === undefined || named?.tenantId === client.tenantId ? byId(client.tenantId) : undefined);
  if (requested !== undefined) return orRefused(named);
  const before = byId(remembered);
  if (before) return orRefused(before);
  const fitting = memberships.filter(({ type, roles }) => type !== 'root' || roles.length > 0 || isOnlyOne);
  return fitting.length > 1 ? { choose: fitting } : orRefused(fitting[0]);
}

/** The same where nobody can be asked: at home where several fit and none is named. */
export function actingTenantUnasked(question: ActingQuestion): { tenantId: string } | { refused: true } {
  const choice = actingTenant(question);
  if (!('choose' in choice)) return choice;
  const { homeTenantId, memberships } = question.person;
  return { tenantId: memberships.some(({ tenantId }) => tenantId === homeTenantId) ? homeTenantId : choice.choose[0]!.tenantId };
}
