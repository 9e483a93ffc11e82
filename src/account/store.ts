import type { Database } from '../infra/postgres.ts';

export interface AgreementRow {
  client_id: string;
  scope: string;
  claims: string;
  resources: Record<string, string>;
  granted_at: Date;
}

/** What a person agreed to, application by application. */
export const findAgreements = (db: Database, userId: string): Promise<AgreementRow[]> =>
  db.query<AgreementRow>(
    {
      name: 'account-agreements',
      text: 'select client_id, scope, claims, resources, granted_at from consents where user_id = $1 order by client_id',
    },
    [userId],
  );

export interface MembershipRow {
  tenant_id: string;
  name: string;
  type: string;
  status: 'active' | 'suspended' | 'deleted';
  roles: string[];
}

/** Of all tenants, by name. */
export const findMemberships = (db: Database, userId: string): Promise<MembershipRow[]> =>
  db.query<MembershipRow>(
    { name: 'account-memberships', text: 'select tenant_id, name, type, status, roles from memberships_of($1) order by name, tenant_id' },
    [userId],
  );
