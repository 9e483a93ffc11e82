import type { Context } from 'koa';
import type { MessageKey, Note } from '../../core/messages/catalogue.ts';
import type { PageBase } from '../../http/pages.ts';
import { type PageOptions, renderPage, type View } from '../../http/view.ts';

export interface SessionRow {
  id: string;
  /** The User-Agent as it was sent; only its browser and system are shown. */
  userAgent: string;
  address: string;
  signedInAt: Date;
  lastActiveAt: Date;
  current: boolean;
}

export interface AppRow {
  /** Comes back as `withdraw:<id>`. */
  id: string;
  name: string;
  logoUri?: string | undefined;
  scopes: readonly string[];
  grantedAt: Date;
  offline: boolean;
}

export interface OrganizationRow {
  name: string;
  roles: readonly string[];
  /** The person's account belongs here. */
  home: boolean;
  suspended: boolean;
  leaveUrl?: string | undefined;
}

export interface InvitedRow {
  /** Comes back as `join:<id>` or `decline:<id>`. */
  id: string;
  name: string;
  inviter?: string | undefined;
  roles: readonly string[];
  until: Date;
}

/**
 * One form; its buttons are `name="decision"` with `end:<session id>`, `end-others`, `withdraw:<app id>`,
 * `join:<invitation id>` or `decline:<invitation id>`.
 * `password` is absent where the person has no password and may not set one.
 */
export interface AccountPage extends PageBase {
  deleteAfter?: Date | undefined;
  person: { name?: string | undefined; email?: string | undefined; username?: string | undefined };
  password?: { set: boolean; changedAt?: Date | undefined; changeUrl: string } | undefined;
  sessions: readonly SessionRow[];
  apps: readonly AppRow[];
  organizations: readonly OrganizationRow[];
  invitations: readonly InvitedRow[];
  signOutUrl: string;
}

/** `password` (current) and `new_password`. */
export interface AccountPasswordPage extends PageBase {
  email?: string | undefined;
  minLength?: number | undefined;
  backUrl: string;
}

/**
 * What an invitation is, and what its reader can do: answer it (`decision=allow` or `deny`) where they are signed in with the address and
 * have proven it, else sign in, make an account or prove the address first.
 */
export interface InvitationPage extends PageBase {
  tenant: string;
  inviter?: string | undefined;
  roles: readonly string[];
  email: string;
  until: Date;
  state: 'open' | 'signed-out' | 'other' | 'unproven';
  account?: { name?: string | undefined; email?: string | undefined } | undefined;
  registerUrl: string;
  signInUrl: string;
}

/** `unlink` is the id of the one that goes. */
export interface IdentitiesPage extends PageBase {
  identities: readonly { id: string; provider: string; who: string | undefined }[];
  offered: readonly { name: string; url: string }[];
}

/** `decision=confirm` or `deny`. */
export interface LeavePage extends PageBase {
  tenant: string;
  roles: readonly string[];
}

export interface FactorRow {
  name: string;
  createdAt: Date;
  lastUsedAt?: Date | undefined;
  renameUrl: string;
  removeUrl: string;
}

/** `codes` is absent where there is nothing that they could stand in for, `identitiesUrl` where there are no other providers. */
export interface SecurityPage extends PageBase {
  passkeys: readonly FactorRow[];
  apps: readonly FactorRow[];
  /** The host of the service by which their organisation asks them. */
  organization?: string | undefined;
  codes?: { left: number } | undefined;
  identitiesUrl?: string | undefined;
  passkeyUrl: string;
  totpUrl: string;
  codesUrl: string;
}

/** Asks whether to make them, and shows them once; `replaces`: there are some. */
export interface CodesPage extends PageBase {
  codes: readonly string[] | undefined;
  replaces: boolean;
  backUrl: string;
}

/** `name`. */
export interface RenamePage extends PageBase {
  name: string;
  backUrl: string;
}

/** `decision=confirm` or `deny`. */
export interface RemovePage extends PageBase {
  name: string;
  codesToo: boolean;
}

/** A page with the navigation on top; `deleteAfter` is when the account goes, where the person said so. */
interface OwnPage extends PageBase {
  deleteAfter?: Date | undefined;
}

/** `given_name`, `family_name`, `locale`. */
export interface ProfilePage extends OwnPage {
  givenName?: string | undefined;
  familyName?: string | undefined;
  language: string;
  languages: readonly { id: string; name: string }[];
  contacts: readonly { label: MessageKey; value: string | null; proven: boolean; changeUrl?: string | undefined }[];
}

/** `email` or `phone`; or `decision=remove`. */
export interface ContactPage extends PageBase {
  kind: 'email' | 'phone';
  value?: string | undefined;
  removable: boolean;
  backUrl: string;
}

/** `code`. */
export interface ContactCodePage extends PageBase {
  to: string;
  backUrl: string;
}

/** `decision=forget:<id>` or `forget-all`. */
export interface ActivityPage extends OwnPage {
  devices: readonly {
    id: string;
    /** User-Agent. */
    device?: string | undefined;
    address?: string | undefined;
    /** The name of the application that signed in by itself. */
    app?: string | undefined;
    firstSeenAt: Date;
    lastSeenAt: Date;
    trustedUntil?: Date | undefined;
  }[];
  events: readonly {
    at: Date;
    what: Note;
    failed: boolean;
    /** Who else did it. */
    by?: Note | undefined;
    /** The person did it to somebody else. */
    ofOther: boolean;
    address?: string | undefined;
    device?: string | undefined;
  }[];
  nextUrl?: string | undefined;
  firstUrl?: string | undefined;
}

/** `notify:<name>=on`. */
export interface DataPage extends OwnPage {
  graceDays: number;
  notifications: readonly { name: string; on: boolean }[];
  agreements: readonly {
    noticeId: string;
    kind: 'terms' | 'privacy';
    label: string;
    url: string;
    tenantName: string;
    agreedAt: Date;
    withdrawnAt?: Date | undefined;
  }[];
}

/** `decision=confirm` or `deny`. `until` stands for `{when}` in the lead. */
export interface QuestionPage extends PageBase {
  title: Note;
  lead: Note;
  until?: Date | undefined;
  confirm: Note;
  /** The main button is `decision=keep`: nothing is lost by it. */
  keeps?: boolean | undefined;
}

/** A person's own pages, by the name of their template. */
export interface AccountPages {
  'account-profile': ProfilePage;
  'account-contact': ContactPage;
  'account-code': ContactCodePage;
  'account-activity': ActivityPage;
  'account-data': DataPage;
  'account-question': QuestionPage;
  'account-security': SecurityPage;
  'account-codes': CodesPage;
  'account-rename': RenamePage;
  'account-remove': RemovePage;
  account: AccountPage;
  'account-password': AccountPasswordPage;
  invitation: InvitationPage;
  leave: LeavePage;
  'account-identities': IdentitiesPage;
}

/** The folder to hand to `createView`. */
export const ACCOUNT_VIEWS = new URL('./', import.meta.url);

/** Answers with a page of the account, its data checked by type; see `renderPage`. */
export const showAccountPage = <Name extends keyof AccountPages>(
  ctx: Context,
  view: View,
  name: Name,
  data: AccountPages[Name],
  options?: PageOptions,
): void => renderPage(ctx, view, name, data, options);
