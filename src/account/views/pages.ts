import type { Context } from 'koa';
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

/**
 * One form; its buttons are `name="decision"` with `end:<session id>`, `end-others` or `withdraw:<app id>`.
 * `password` is absent where the person has no password and may not set one.
 */
export interface AccountPage extends PageBase {
  person: { name?: string | undefined; email?: string | undefined; username?: string | undefined };
  password?: { set: boolean; changedAt?: Date | undefined; changeUrl: string } | undefined;
  sessions: readonly SessionRow[];
  apps: readonly AppRow[];
  signOutUrl: string;
}

/** `password` (current) and `new_password`. */
export interface AccountPasswordPage extends PageBase {
  email?: string | undefined;
  minLength?: number | undefined;
  backUrl: string;
}

/** A person's own pages, by the name of their template. */
export interface AccountPages {
  account: AccountPage;
  'account-password': AccountPasswordPage;
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
