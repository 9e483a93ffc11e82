/** What can be open to somebody, and what may stay open after which cause. */
import type { Browser } from '#test/support/browser.ts';

export const DOORS = [
  'refresh',
  'unused code',
  'introspect refresh',
  'introspect JWT',
  'introspect opaque',
  'validate JWT',
  'validate opaque',
  'validate sid',
  'userinfo',
  'own API',
  'silent, same app',
  'silent, other app',
] as const;
export type Door = (typeof DOORS)[number];

export interface Credentials {
  id: string;
  secret: string;
}

/** A person who is signed in at two applications in one browser, and everything that the first application got of it. */
export interface Subject {
  userId: string;
  email: string;
  password: string;
  browser: Browser;
  app: Credentials;
  refresh: string;
  idToken: string;
  jwt: string;
  opaque: string;
  userinfo: string;
  own: string;
  sid: string;
  codeForm: Record<string, string>;
}

const WHOLE_SESSION: readonly Door[] = ['validate sid', 'silent, same app', 'silent, other app'];
export const OF_ANOTHER_APP = 'the browser stays signed in: this concerns one application';
export const BROWSER_STAYS: Survivors = { 'silent, other app': OF_ANOTHER_APP };
const OFFLINE = 'offline_access was agreed to, and outlives its session (contract 6, 7)';
const HANGS_ON_GRANT = DOORS.filter((door) => !WHOLE_SESSION.includes(door));
export const OFFLINE_STAYS: Survivors = Object.fromEntries(HANGS_ON_GRANT.map((door) => [door, OFFLINE]));
export const SESSION_STAYS: Survivors = {
  ...BROWSER_STAYS,
  'silent, same app': 'the browser stays signed in, and what was agreed to still is: a new grant may follow',
  'validate sid': 'the session goes on: one application handed its tokens back',
};

type Survivors = Partial<Record<Door, string>>;
export interface Cause {
  act(subject: Subject): Promise<unknown>;
  /** Other nodes hear of it by notification: clients and keys are kept in memory. Everything else is looked at in the database at each call. */
  heard?: boolean;
  /** Doors that stay open, each with the reason. */
  survives?: Survivors;
  /** As above, where `offline_access` was agreed to; the same where nothing is said. */
  survivesOffline?: Survivors;
}
