import { readFileSync } from 'node:fs';
import { Eta } from 'eta';
import { type MessageKey, type MessageValues, message, pickLocale } from '../../core/messages/catalogue.ts';
import { deviceName } from '../../core/messages/device.ts';
import { formatInstant } from '../../core/messages/time.ts';
import type { FactorChange } from '../../features/factors/index.ts';

/** Who asked, when, from where: so that people can tell their own doing from somebody else's. */
export interface Cause {
  at: Date;
  address: string;
  /** The User-Agent as it was sent; only its browser and system are told. */
  device: string;
}

interface MailBase {
  cause: Cause;
  /** The issuer's address, e.g. `https://id.example.com`. */
  issuer: string;
  /** What the tenant calls itself; the installation's name where nothing is said. */
  brand?: string | undefined;
}

export interface CodeMail extends MailBase {
  code: string;
  /** How long the code works, in minutes. */
  minutes: number;
}

/** Who invites and where to; both are names that somebody chose for themselves. */
export interface InvitationMail {
  issuer: string;
  brand?: string | undefined;
  tenant: string;
  inviter?: string | undefined;
  /** Carries the secret. */
  url: string;
  until: Date;
}

/** A factor was added or removed; or a recovery code was used, and so many are `left`. */
export interface FactorMail extends MailBase {
  what: FactorChange | 'code_used';
  left?: number | undefined;
  accountUrl: string;
}

/** What happened to somebody's account; `until` is the day that the news speaks of. */
export interface NewsMail {
  cause?: Cause | undefined;
  issuer: string;
  brand?: string | undefined;
  news: 'email_changed' | 'phone_changed' | 'deletion_scheduled' | 'deletion_stopped' | 'deleted';
  until?: Date | undefined;
}

/** What each mail tells. But for invitations, names people gave themselves are left out: the reader may be somebody else than who typed them. */
export interface Mails {
  'verify-email': CodeMail;
  /** `url` opens the page that takes the code; it carries no secret. */
  'password-reset': CodeMail & { url: string };
  /** `url` is the link that carries the code, where one was asked for. */
  'sign-in-code': CodeMail & { url?: string | undefined };
  'password-changed': MailBase & { resetUrl: string };
  /** Of a sign-in where the person never signed in before. */
  'new-device': MailBase & { accountUrl: string };
  'account-locked': MailBase & { resetUrl: string };
  'account-exists': MailBase & { signInUrl: string; resetUrl: string };
  invitation: InvitationMail;
  'factor-changed': FactorMail;
  'account-news': NewsMail;
}

export interface RenderedMail {
  subject: string;
  html: string;
  text: string;
  /** The same in the name of the tenant it is sent for; absent where the tenant is named anyhow. */
  inNameOf?: (brand: string) => RenderedMail;
}

/** What a mail consists of, top to bottom; the HTML and the text show the same parts. */
interface Parts {
  subject: string;
  heading: string;
  lead: string;
  code?: string;
  /** How long the code works. */
  expires?: string;
  links: readonly { lead?: string; href: string; text: string; main: boolean }[];
  cause: string;
  notYou: string;
  footer: string;
}

const html = new Eta({ autoEscape: true });
html.loadTemplate('@mail', readFileSync(new URL('./mail.html.eta', import.meta.url), 'utf8'));
const plain = new Eta({ autoEscape: false, autoTrim: [false, 'nl'] });
plain.loadTemplate('@mail', readFileSync(new URL('./mail.txt.eta', import.meta.url), 'utf8'));

const COMPOSE: { readonly [Name in keyof Mails]: (t: Translate, data: Mails[Name], common: Common) => Parts } = {
  'verify-email': (t, { code, minutes }, { brand, asked, footer }) => ({
    subject: t('mail.verify.subject', { code, brand }),
    heading: t('mail.verify.heading'),
    lead: t('mail.verify.lead'),
    code,
    expires: t('mail.expires', { count: minutes, brand }),
    links: [],
    cause: asked,
    notYou: t('mail.verify.not_you'),
    footer,
  }),
  'sign-in-code': (t, { code, minutes, url }, { brand, asked, footer }) => ({
    subject: t('mail.sign_in.subject', { code, brand }),
    heading: t('mail.sign_in.heading'),
    lead: t('mail.sign_in.lead'),
    code,
    expires: t('mail.expires', { count: minutes, brand }),
    links: url === undefined ? [] : [{ lead: t('mail.sign_in.link_lead'), href: url, text: t('mail.sign_in.link'), main: true }],
    cause: asked,
    notYou: t('mail.sign_in.not_you'),
    footer,
  }),
  'password-reset': (t, { code, minutes, url }, { brand, asked, footer }) => ({
    subject: t('mail.reset.subject', { code, brand }),
    heading: t('mail.reset.heading'),
    lead: t('mail.reset.lead'),
    code,
    expires: t('mail.expires', { count: minutes, brand }),
    links: [{ lead: t('mail.reset.link_lead'), href: url, text: t('mail.reset.link'), main: false }],
    cause: asked,
    notYou: t('mail.reset.not_you'),
    footer,
  }),
  'password-changed': (t, { resetUrl }, { brand, happened, footer }) => ({
    subject: t('mail.changed.subject', { brand }),
    heading: t('mail.changed.heading'),
    lead: t('mail.changed.lead'),
    links: [{ lead: t('mail.changed.not_you'), href: resetUrl, text: t('mail.changed.link'), main: true }],
    cause: happened,
    notYou: '',
    footer,
  }),
  'new-device': (t, { accountUrl }, { brand, happened, footer }) => ({
    subject: t('mail.device.subject', { brand }),
    heading: t('mail.device.heading'),
    lead: t('mail.device.lead'),
    links: [{ lead: t('mail.device.not_you'), href: accountUrl, text: t('mail.device.link'), main: true }],
    cause: happened,
    notYou: '',
    footer,
  }),
  'account-locked': (t, { resetUrl }, { brand, happened, footer }) => ({
    subject: t('mail.locked.subject', { brand }),
    heading: t('mail.locked.heading'),
    lead: t('mail.locked.lead'),
    links: [{ lead: t('mail.locked.reset_lead'), href: resetUrl, text: t('mail.locked.reset'), main: true }],
    cause: happened,
    notYou: t('mail.locked.not_you'),
    footer,
  }),
  'account-exists': (t, { signInUrl, resetUrl }, { brand, happened, footer }) => ({
    subject: t('mail.exists.subject', { brand }),
    heading: t('mail.exists.heading'),
    lead: t('mail.exists.lead'),
    links: [
      { href: signInUrl, text: t('mail.exists.sign_in'), main: true },
      { lead: t('mail.exists.reset_lead'), href: resetUrl, text: t('mail.exists.reset'), main: false },
    ],
    cause: happened,
    notYou: t('mail.exists.not_you'),
    footer,
  }),
  'factor-changed': (t, { what, left, accountUrl }, { brand, happened, footer }) => ({
    subject: t(`mail.factor.${what}`, { brand }),
    heading: t(`mail.factor.${what}`, { brand }),
    lead: left === undefined ? t('mail.factor.lead') : t('mail.factor.codes_left', { count: left }),
    links: [{ lead: t('mail.factor.not_you'), href: accountUrl, text: t('mail.factor.link'), main: true }],
    cause: happened,
    notYou: '',
    footer,
  }),
  'account-news': (t, { news, issuer, cause }, { brand, happened, until, footer }) => ({
    subject: t(`mail.news.${news}.subject`, { brand }),
    heading: t(`mail.news.${news}.subject`, { brand }),
    lead: t(`mail.news.${news}.lead`, { until }),
    links: news === 'deleted' ? [] : [{ href: `${issuer}/account`, text: t('mail.news.link'), main: true }],
    cause: cause ? happened : '',
    notYou: cause ? t('mail.news.not_you') : '',
    footer,
  }),
  invitation: (t, { url, ...data }, { brand, until, footer }) => {
    const [tenant, inviter] = [chosenName(data.tenant), data.inviter === undefined ? '' : chosenName(data.inviter)];
    return {
      subject: t('mail.invitation.subject', { tenant, brand }),
      heading: t('mail.invitation.heading', { tenant }),
      lead: inviter ? t('mail.invitation.lead_by', { inviter, tenant, brand }) : t('mail.invitation.lead', { tenant, brand }),
      links: [{ href: url, text: t('mail.invitation.link'), main: true }],
      cause: t('mail.invitation.until', { until }),
      notYou: t('mail.invitation.not_you'),
      footer,
    };
  },
};

type Translate = (key: MessageKey, values?: MessageValues) => string;
interface Common {
  brand: string;
  asked: string;
  happened: string;
  until: string;
  footer: string;
}

/**
 * A mail in two forms of equal content, in the first of the languages `wanted` (as in `Accept-Language`) that there are texts in. Values are HTML-encoded in `html`; `subject` is one line. Nothing remote is loaded.
 * Throws where a link is neither http nor https.
 */
export function renderMail<Name extends keyof Mails>(name: Name, wanted: string, data: Mails[Name]): RenderedMail {
  const locale = pickLocale(wanted);
  const t: Translate = (key, values) => message(locale, key, values);
  const cause: Record<string, string> =
    'cause' in data && data.cause
      ? {
          at: formatInstant(locale, data.cause.at),
          address: oneLine(data.cause.address),
          device: deviceName(locale, data.cause.device),
        }
      : {};
  const brand = data.brand === undefined ? t('brand.name') : chosenName(data.brand);
  const parts = COMPOSE[name](t, data, {
    brand,
    asked: t('mail.asked', cause),
    happened: t('mail.happened', cause),
    until: 'until' in data && data.until ? formatInstant(locale, data.until) : '',
    footer: t('mail.footer', { host: new URL(data.issuer).host }),
  });
  for (const { href } of parts.links) {
    if (!/^https?:\/\/[^\s]+$/.test(href)) throw new Error(`A mail may not link to ${href}`);
  }
  const it = { ...parts, brand, locale };
  const rendered = { subject: oneLine(parts.subject), html: html.render('@mail', it), text: plain.render('@mail', it) };
  if (name === 'invitation' || data.brand !== undefined) return rendered;
  return { ...rendered, inNameOf: (own) => renderMail(name, locale, { ...data, brand: own }) };
}

/** Line breaks would end a header or forge a line. */
const oneLine = (text: string): string => text.replace(/[\p{Cc}\u2028\u2029]+/gu, ' ').trim();

/** A name that strangers chose, for readers they chose: short, on one line, and nothing that mail programs turn into a link. */
export const chosenName = (name: string): string =>
  [...oneLine(name)]
    .slice(0, 80)
    .join('')
    .replace(/\/\//g, '/ /')
    .replace(/([.@])(?=[\p{L}\p{N}])/gu, '$1\u2060');
