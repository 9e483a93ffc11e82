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
