import type { Context } from 'koa';
import type { MessageKey } from '../../core/messages/catalogue.ts';
import type { ClientLabel, PageBase } from '../../http/pages.ts';
import { type PageOptions, renderPage, type View } from '../../http/view.ts';

/** Another way to prove who one is: a button `name="method"`. */
export type MethodId =
  | 'password'
  | 'passkey'
  | 'email-otp'
  | 'magic-link'
  | 'sms-otp'
  | 'totp'
  | 'recovery-code'
  | 'external-2fa'
  | 'external-oidc';

export interface LoginPage extends PageBase {
  /** What was typed before; never the password. */
  login?: string | undefined;
  /** What `login` is called; an address or a user name where nothing is said. */
  label?: MessageKey | undefined;
  /** Browsers may fill in a passkey. */
  autofill?: boolean | undefined;
  withoutPasswords?: boolean | undefined;
  /** Without passwords: whether there is anything to type, and which way the main button is. */
  typed?: boolean | undefined;
  main?: MethodId | undefined;
  registerUrl?: string | undefined;
  resetUrl?: string | undefined;
  methods?: readonly MethodId[] | undefined;
  /** Other providers, as links with `data-method="social:<key>"`: no form of ours may lead to another site. */
  connections?: readonly { key: string; kind: string; name: string; url: string }[] | undefined;
  /** Shows a button `decision=deny` that goes back to the application. */
  canCancel?: boolean | undefined;
}

export interface MethodButton {
  id: string;
  text: string;
}

/** One proof: `code`, or a passkey where `isPasskey`; `remember` trusts the device; `decision=resend`; others as `method`. */
export interface ProvePage extends PageBase {
  title: string;
  lead: string;
  /** The code is six digits. */
  digits: boolean;
  code?: string | undefined;
  /** As JSON. */
  isPasskey?: boolean | undefined;
  mayRemember: boolean;
  mayResend: boolean;
  isSecond: boolean;
  others: readonly MethodButton[];
  backUrl: string;
}

/** `method`: how to prove it. */
export interface ChoosePage extends PageBase {
  others: readonly MethodButton[];
  backUrl: string;
}

/** Where a link of a mail leads: a button that signs in, or the code to type where the sign-in began. */
export interface LinkPage extends PageBase {
  code: string;
  elsewhere: boolean;
}

export interface RegisterPage extends PageBase {
  email?: string | undefined;
  /** The account can be made for this address only. */
  emailFixed?: boolean | undefined;
  givenName?: string | undefined;
  familyName?: string | undefined;
  loginUrl?: string | undefined;
  /** Characters a password must have; 8 where nothing is said. */
  minLength?: number | undefined;
  /** What has to be agreed to: `agree_terms` and `agree_privacy` carry the id of the notice. */
  notices?: readonly NoticeLabel[] | undefined;
}

export interface NoticeLabel {
  id: string;
  kind: 'terms' | 'privacy';
  label: string;
  url: string;
  /** It was ticked before. */
  agreed?: boolean | undefined;
}

/** `code`, and `decision=resend` for a new one. */
export interface VerifyEmailPage extends PageBase {
  email: string;
  changeUrl?: string | undefined;
}

export interface ResetRequestPage extends PageBase {
  email?: string | undefined;
  loginUrl?: string | undefined;
}

/** `code` and `new_password` in one form, and `decision=resend`. The same whether the address is known or not. */
export interface ResetCodePage extends PageBase {
  email?: string | undefined;
  loginUrl?: string | undefined;
  minLength?: number | undefined;
}

export interface ChangePasswordPage extends PageBase {
  /** Whose password it is: shown, and told to password managers. */
  email?: string | undefined;
  notYouUrl?: string | undefined;
  minLength?: number | undefined;
}

export interface ConsentResource {
  name: string;
  scopes: readonly { name: string; description?: string | undefined }[];
}

export interface ConsentPage extends PageBase {
  client: ClientLabel & { verified?: boolean | undefined };
  account: { name?: string | undefined; email?: string | undefined; tenant?: string | undefined };
  notYouUrl?: string | undefined;
  /** Names of OpenID Connect scopes and of single claims; words for them come from the catalogue, other names are shown as they are. */
  scopes: readonly string[];
  resources?: readonly ConsentResource[] | undefined;
  offline: boolean;
  /** The host the browser goes to afterwards. */
  redirectHost?: string | undefined;
}

/** `decision=continue` (main button) or `decision=other`. */
export interface SelectAccountPage extends PageBase {
  account: { name?: string | undefined; email?: string | undefined };
}

/** `tenant`: the id of the one that was chosen. */
export interface TenantPage extends PageBase {
  account: { name?: string | undefined; email?: string | undefined };
  notYouUrl?: string | undefined;
  tenants: readonly { id: string; name: string; roles: readonly string[] }[];
  /** The id that is checked to begin with. */
  chosen?: string | undefined;
}

/** The journey is gone: open for an hour, finished elsewhere, or never ours. */
export interface ExpiredPage extends PageBase {
  startUrl?: string | undefined;
}

/** The way to another provider, which the browser takes by itself. */
export interface ElsewherePage extends PageBase {
  name: string;
  /** Of a connection. */
  key?: string | undefined;
  /** For a second factor, at the tenant's own provider. */
  isSecond?: boolean | undefined;
  url: string;
}

/** `agree_terms` and `agree_privacy` carry the id of the notice; or `decision=deny`. */
export interface TermsPage extends PageBase {
  tenant?: string | undefined;
  notices: readonly NoticeLabel[];
}

/** A factor that is set up: by the person's own wish, or because policy asks for one (`required`). */
interface EnrolPage extends PageBase {
  required?: boolean | undefined;
  /** Another factor that would do. */
  other?: { id: 'totp' | 'passkey'; url: string } | undefined;
  backUrl: string;
}

/** `code`, and `name` where the person gives one. */
export interface EnrolTotpPage extends EnrolPage {
  /** In groups of four. */
  secret: string;
  uri: string;
  /** A `data:` URL. */
  qr: string;
}

/** `credential`, JSON that the script puts there, and `name`. */
export interface EnrolPasskeyPage extends EnrolPage {
  /** For `navigator.credentials.create`, as JSON. */
  options: string;
}

/** Signed out here, and on the way to the provider that the person came by; goes there by itself. */
export interface SigningOutPage extends PageBase {
  name: string;
  url: string;
  refresh: string;
}

/** The pages of the browser journey, by the name of their template. */
export interface LoginPages {
  'enrol-totp': EnrolTotpPage;
  'enrol-passkey': EnrolPasskeyPage;
  login: LoginPage;
  prove: ProvePage;
  choose: ChoosePage;
  link: LinkPage;
  register: RegisterPage;
  'verify-email': VerifyEmailPage;
  'reset-request': ResetRequestPage;
  'reset-code': ResetCodePage;
  'change-password': ChangePasswordPage;
  consent: ConsentPage;
  'select-account': SelectAccountPage;
  tenant: TenantPage;
  terms: TermsPage;
  expired: ExpiredPage;
  elsewhere: ElsewherePage;
  'signing-out': SigningOutPage;
}

/** The folder to hand to `createView`. */
export const LOGIN_VIEWS = new URL('./', import.meta.url);

/** Answers with a page of the journey, its data checked by type; see `renderPage`. */
export const showLoginPage = <Name extends keyof LoginPages>(
  ctx: Context,
  view: View,
  name: Name,
  data: LoginPages[Name],
  options?: PageOptions,
): void => renderPage(ctx, view, name, data, options);
