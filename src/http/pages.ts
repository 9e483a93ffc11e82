import type { MessageKey, Note } from '../core/messages/catalogue.ts';

/** What every page may be given. */
export interface PageBase {
  /** BCP 47; English where nothing is said. */
  locale?: string | undefined;
  /** The value of the hidden field `_csrf` of the page's forms. */
  csrf?: string | undefined;
  /** Where the main form posts to; the page's own address where nothing is said. */
  action?: string | undefined;
  /** What went wrong, above the form, `role=alert`. */
  alert?: Note | undefined;
  /** What went wrong beside fields, by the field's name; listed above the form too, unless `alert` says something else. */
  errors?: Readonly<Record<string, Note>> | undefined;
  /** What went well, `role=status`. */
  notice?: Note | undefined;
  /** The application the person is on the way to. */
  client?: ClientLabel | undefined;
  challenge?: PageChallenge | undefined;
  /** Whose page it is; the installation's where nothing is said. */
  brand?: Brand | undefined;
}

/** What the browser works on before the page's form is sent; the answer is the hidden field `challenge`. */
export interface PageChallenge {
  token: string;
  /** Leading zero bits. */
  difficulty: number;
  /** The form is not taken without; else only the buttons of methods that have a message sent need it. */
  whole: boolean;
}

/** How a page shows whose it is. */
export interface Brand {
  /** The installation's where nothing is said. */
  name?: string | undefined;
  /** A path of ours; see `ClientLabel.logoUri`. */
  logoUri?: string | undefined;
  /** `#rrggbb`; anything else is left out. */
  color?: string | undefined;
}

export interface ClientLabel {
  name: string;
  /** Shown only where it is a path of ours or a `data:` picture: the content security policy allows no other. */
  logoUri?: string | undefined;
}

export interface ErrorPage extends PageBase {
  title?: Note | undefined;
  explanation?: Note | undefined;
  /** For the makers of the application, e.g. `invalid_request: redirect_uri is missing`; shown as it is. */
  detail?: string | undefined;
  requestId?: string | undefined;
  backUrl?: string | undefined;
  /** Where trying again may help; where neither is said, the page leads to the person's account. */
  retryUrl?: string | undefined;
}

/** One sentence or two, and one way on. */
export interface MessagePage extends PageBase {
  title: Note;
  text?: Note | undefined;
  link?: { href: string; text: Note } | undefined;
}

/** 429: `retryAfterSeconds` counts down; `retryUrl` is the page to try again on. */
export interface LimitedPage extends PageBase {
  retryAfterSeconds: number;
  retryUrl?: string | undefined;
}

/** 421: the request's host is no issuer of ours. `setting` is named only to who may know it (loopback). */
export interface MisdirectedPage extends PageBase {
  host: string;
  issuer: string;
  setting?: string | undefined;
}

/**
 * Posts `decision=confirm` or, by the other button, `decision=deny`. `hidden` are further fields of the form;
 * `confirm` is the field the main button carries where it is not `decision`.
 */
export interface LogoutConfirmPage extends PageBase {
  account?: { name?: string | undefined; email?: string | undefined } | undefined;
  hidden?: Readonly<Record<string, string>> | undefined;
  confirm?: { name: string; value: string } | undefined;
}

export interface LoggedOutPage extends PageBase {
  signInUrl?: string | undefined;
}

export interface NamedValue {
  name: string;
  value: string;
}

/**
 * The demo relying party; `signedIn` is absent before the sign-in. Sign-out is a POST to `signOutUrl`, as renewing is to
 * `refreshUrl`; `userinfoUrl` is this page with what the userinfo endpoint says.
 */
export interface DemoPage extends PageBase {
  /** The application's name, `demo.title` where nothing is said. */
  app?: MessageKey | undefined;
  signInUrl: string;
  signOutUrl?: string | undefined;
  refreshUrl?: string | undefined;
  userinfoUrl?: string | undefined;
  /** Another application that signs in at the same place. */
  other?: { url: string; title: MessageKey } | undefined;
  signedIn?: { name: string; claims: readonly NamedValue[]; userinfo: readonly NamedValue[]; tokens: readonly NamedValue[] } | undefined;
}

export interface MailboxMessage {
  channel: 'email' | 'sms';
  to: string;
  subject?: string | undefined;
  text: string;
  html?: string | undefined;
  at: Date;
}

/** Mails and texts that were kept instead of sent, newest first. */
export interface DevMailboxPage extends PageBase {
  messages: readonly MailboxMessage[];
}

/** The pages that any part may show, by the name of their template. */
export interface CommonPages {
  error: ErrorPage;
  message: MessagePage;
  limited: LimitedPage;
  misdirected: MisdirectedPage;
  'logout-confirm': LogoutConfirmPage;
  'logged-out': LoggedOutPage;
  demo: DemoPage;
  'dev-mailbox': DevMailboxPage;
}
