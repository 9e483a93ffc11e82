import { findPassword } from '../features/credentials/store.ts';
import { findMe } from '../features/me/store.ts';
import { listGrants, listSessions, type SessionQueryDeps } from '../features/sessions/queries.ts';
import type { Person } from '../login/people-store.ts';
import type { BrowserSession } from '../oidc/sessions.ts';
import { organizationsOf } from './memberships.ts';
import { findAgreements } from './store.ts';
import type { AccountPage, AppRow } from './views/pages.ts';

/** The built-in first-party client that signs people in for the account page. */
export const ACCOUNT_CLIENT_ID = 'gatehouse-account';

export interface OverviewDeps {
  sessions: SessionQueryDeps;
  /** What an application calls itself; undefined where it no longer exists. */
  clientOf(clientId: string): Promise<{ name: string; logoUri?: string | undefined } | undefined>;
}

/** What the account page shows of a person: how they sign in, where they are signed in, what has access. */
export async function accountOverview(
  deps: OverviewDeps,
  person: Person,
  session: BrowserSession,
): Promise<Omit<AccountPage, 'locale' | 'csrf' | 'signOutUrl'>> {
  const [me, sessions, apps, password, organizations] = await Promise.all([
    findMe(deps.sessions.db, person.id),
    listSessions(deps.sessions, person.id),
    appsOf(deps, person.id),
    findPassword(deps.sessions.db, person.id),
    organizationsOf(deps.sessions.db, person),
  ]);
  return {
    deleteAfter: me?.delete_after ?? undefined,
    person: { name: nameOf(person), email: person.email, username: person.username },
    password: password && { set: true, changedAt: new Date(password.setAt), changeUrl: '/account/password' },
    sessions: sessions.map(({ id, device, address, authenticatedAt, lastSeenAt }) => ({
      id,
      userAgent: device ?? '',
      address: address ?? '',
      signedInAt: authenticatedAt,
      lastActiveAt: lastSeenAt,
      current: id === session.id,
    })),
    apps,
    ...organizations,
  };
}

export const nameOf = ({ givenName, familyName }: Person): string | undefined =>
  [givenName, familyName].filter(Boolean).join(' ') || undefined;

/** Applications that the person agreed to, and those that hold something without having had to ask. */
async function appsOf({ sessions: { db }, clientOf }: OverviewDeps, userId: string): Promise<AppRow[]> {
  const [agreements, grants] = await Promise.all([findAgreements(db, userId), listGrants({ db }, userId)]);
  const ids = new Set([...agreements, ...grants].map(({ client_id: id }) => id));
  ids.delete(ACCOUNT_CLIENT_ID);
  const rows = await Promise.all(
    [...ids].map(async (id): Promise<AppRow | undefined> => {
      const [client, agreed, granted] = [
        await clientOf(id),
        agreements.find((row) => row.client_id === id),
        grants.find((row) => row.client_id === id),
      ];
      const grantedAt = agreed?.granted_at ?? granted?.first_at;
      if (!client || !grantedAt) return undefined;
      const scopes = [agreed?.scope ?? '', agreed?.claims ?? '', ...Object.values(agreed?.resources ?? {})]
        .flatMap((text) => text.split(' '))
        .filter(Boolean);
      return {
        id,
        name: client.name,
        logoUri: client.logoUri,
        scopes: [...new Set(scopes)],
        grantedAt,
        offline: granted?.offline ?? false,
      };
    }),
  );
  return rows.filter((row) => row !== undefined);
}
