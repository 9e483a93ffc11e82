import type { AccountPages } from '#src/account/views/pages.ts';
import type { CommonPages } from '#src/http/pages.ts';
import { signInForm } from '#src/login/sign-in-form.ts';
import type { LoginPages } from '#src/login/views/pages.ts';

type Pages = CommonPages & LoginPages & AccountPages;
export type Sample = { [Name in keyof Pages]: { name: Name; data: Pages[Name] } }[keyof Pages];

/** What a person, a client or an upstream might call themselves. */
export const HOSTILE = `<img src=x onerror=alert(1)>"'&</title></script>`;
export const NOW = new Date('2026-11-22T16:50:00Z');

const before = (seconds: number): Date => new Date(NOW.getTime() - seconds * 1000);
const CHROME = 'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36';
const IPHONE =
  'Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1';

/** Every page in its states, by a name of its own. `who` is put wherever a stranger's text can appear. */
export function samplePages(who = 'Ada Lovelace'): Readonly<Record<string, Sample>> {
  const client = { name: who };
  const csrf = 'token';
  const account = { name: who, email: 'ada@example.com', tenant: 'Analytical Engines' };
  const values = [{ name: who, value: who }];
  return {
    login: { name: 'login', data: { csrf, client, registerUrl: '/register', resetUrl: '/reset' } },
    'login-methods': { name: 'login', data: { csrf, methods: ['passkey', 'email-otp', 'sms-otp'], canCancel: true } },
    'login-codes': {
      name: 'login',
      data: {
        csrf,
        client,
        ...signInForm({ passwords: false, methods: ['passkey', 'email-otp', 'sms-otp'], leads: false }),
        connections: [{ key: 'google', kind: 'google', name: 'Google', url: '/login/uid/social/google' }],
        canCancel: true,
      },
    },
    'login-led': {
      name: 'login',
      data: { csrf, client, ...signInForm({ passwords: false, methods: ['passkey'], leads: true }), autofill: true, canCancel: true },
    },
    'login-passkey-only': {
      name: 'login',
      data: { csrf, client, ...signInForm({ passwords: false, methods: ['passkey'], leads: false }) },
    },
    'login-providers': {
      name: 'login',
      data: {
        csrf,
        client,
        methods: ['passkey'],
        connections: [
          { key: 'google', kind: 'google', name: 'Google', url: '/login/uid/social/google' },
          { key: 'acme', kind: 'oidc', name: who, url: '/login/uid/social/acme' },
        ],
        resetUrl: '/reset',
        registerUrl: '/register',
        canCancel: true,
        notice: { key: 'social.link', values: { name: who } },
      },
    },
    'login-provider-refused': {
      name: 'login',
      data: {
        csrf,
        connections: [{ key: 'acme', kind: 'oidc', name: who, url: '/login/uid/social/acme' }],
        alert: { key: 'social.unreachable', values: { name: who } },
      },
    },
    elsewhere: { name: 'elsewhere', data: { name: who, key: 'acme', url: '/login/uid/social/acme' } },
    'elsewhere-second': { name: 'elsewhere', data: { name: who, isSecond: true, url: 'https://factor.example/authorize' } },
    'login-refused': { name: 'login', data: { csrf, client, login: who, alert: 'login.refused', resetUrl: '/reset' } },
    register: { name: 'register', data: { csrf, client, loginUrl: '/login', minLength: 10 } },
    'register-terms': {
      name: 'register',
      data: {
        csrf,
        client,
        loginUrl: '/login',
        notices: [
          { id: 'one', kind: 'terms', label: who, url: 'https://acme.example/terms', agreed: true },
          { id: 'two', kind: 'privacy', label: '2026-11', url: 'https://acme.example/privacy' },
        ],
        errors: { agree_privacy: 'terms.required' },
      },
    },
    'register-refused': {
      name: 'register',
      data: {
        csrf,
        email: who,
        givenName: who,
        familyName: who,
        errors: { email: 'email.invalid', new_password: { key: 'password.too_short', values: { min: 10 } } },
      },
    },
    'prove-code': {
      name: 'prove',
      data: {
        csrf,
        client,
        title: 'Confirm that it is you',
        lead: who,
        digits: true,
        mayRemember: true,
        mayResend: true,
        isSecond: true,
        others: [{ id: 'recovery-code', text: who }],
        backUrl: '/restart',
      },
    },
    'prove-refused': {
      name: 'prove',
      data: {
        csrf,
        title: 'Check your email',
        lead: who,
        digits: true,
        mayRemember: false,
        mayResend: true,
        isSecond: false,
        others: [],
        backUrl: '/sign-in',
        alert: 'prove.wrong',
      },
    },
    'prove-passkey': {
      name: 'prove',
      data: {
        csrf,
        title: 'Confirm with your passkey',
        lead: who,
        digits: false,
        isPasskey: true,
        mayRemember: true,
        mayResend: false,
        isSecond: true,
        others: [{ id: 'totp', text: who }],
        backUrl: '/restart',
      },
    },
    choose: {
      name: 'choose',
      data: {
        csrf,
        others: [
          { id: 'email-otp', text: who },
          { id: 'sms-otp', text: who },
        ],
        backUrl: '/restart',
      },
    },
    link: { name: 'link', data: { csrf, client, code: '483920', elsewhere: false } },
    'link-elsewhere': { name: 'link', data: { csrf, code: '483920', elsewhere: true } },
    'verify-email': { name: 'verify-email', data: { csrf, email: who, changeUrl: '/register', notice: 'code.resent' } },
    'verify-email-refused': { name: 'verify-email', data: { csrf, email: who, errors: { code: 'code.wrong' } } },
    'reset-request': { name: 'reset-request', data: { csrf, email: who, loginUrl: '/login' } },
    'reset-code': { name: 'reset-code', data: { csrf, email: who, loginUrl: '/login' } },
    'change-password': { name: 'change-password', data: { csrf, email: who, notYouUrl: '/login' } },
    consent: {
      name: 'consent',
      data: {
        csrf,
        client: { name: who, verified: false },
        account,
        notYouUrl: '/login',
        scopes: ['openid', 'email', 'offline_access', who],
        resources: [{ name: who, scopes: [{ name: who, description: who }, { name: 'notes.write' }] }],
        offline: true,
        redirectHost: 'notes.example',
      },
    },
    'select-account': { name: 'select-account', data: { csrf, client, account } },
    tenant: {
      name: 'tenant',
      data: {
        csrf,
        client,
        account,
        notYouUrl: '/login',
        tenants: [
          { id: 'one', name: who, roles: ['administrator', who] },
          { id: 'two', name: 'Analytical Engines', roles: ['member'] },
          { id: 'three', name: 'Home', roles: [] },
        ],
        chosen: 'two',
      },
    },
    'logout-confirm': { name: 'logout-confirm', data: { csrf, client, account, hidden: { xsrf: who } } },
    'logged-out': { name: 'logged-out', data: { signInUrl: '/login' } },
    'signing-out': { name: 'signing-out', data: { name: who, url: 'https://b.test/session/end', refresh: '' } },
    expired: { name: 'expired', data: { startUrl: '/login' } },
    'expired-for-good': { name: 'expired', data: {} },
    'error-missing': { name: 'error', data: { title: 'error.not_found', explanation: 'error.not_found_explanation', requestId: who } },
    'error-again': { name: 'error', data: { requestId: who, retryUrl: '/account?again' } },
    error: { name: 'error', data: { requestId: who, detail: who, backUrl: '/', client } },
    message: { name: 'message', data: { title: 'reset_code.done', link: { href: '/login', text: 'login.submit' } } },
    'limited-unknown': { name: 'limited', data: { retryAfterSeconds: 1 } },
    limited: { name: 'limited', data: { retryAfterSeconds: 39.2, retryUrl: '/login' } },
    misdirected: { name: 'misdirected', data: { host: who, issuer: 'http://localhost:3000', setting: 'ISSUER' } },
    'demo-signed-out': { name: 'demo', data: { signInUrl: '/demo/sign-in' } },
    demo: {
      name: 'demo',
      data: {
        csrf,
        signInUrl: '/',
        signOutUrl: '/out',
        refreshUrl: '/more',
        signedIn: { name: who, claims: values, userinfo: values, tokens: values },
      },
    },
    'dev-mailbox': {
      name: 'dev-mailbox',
      data: {
        messages: [
          { channel: 'email', to: who, subject: who, text: `483920\n${who}\nhttps://id.example/a?b=c&d=e`, html: who, at: before(20) },
          { channel: 'sms', to: '+4917000', text: '552211 is your code', at: before(4000) },
        ],
      },
    },
    'dev-mailbox-empty': { name: 'dev-mailbox', data: { messages: [] } },
    account: {
      name: 'account',
      data: {
        csrf,
        person: { name: who, email: 'ada@example.com' },
        password: { set: true, changedAt: before(86_400 * 40), changeUrl: '/account/password' },
        signOutUrl: '/sign-out',
        notice: 'account.ended',
        sessions: [
          { id: 'one', userAgent: CHROME, address: '192.0.2.17', signedInAt: before(7200), lastActiveAt: before(3), current: true },
          { id: 'two', userAgent: IPHONE, address: '2001:db8::1', signedInAt: before(259_200), lastActiveAt: before(2400), current: false },
          { id: 'three', userAgent: who, address: who, signedInAt: before(600), lastActiveAt: before(600), current: false },
        ],
        apps: [{ id: 'notes', name: who, scopes: ['openid', 'profile', who], grantedAt: before(400), offline: true }],
        organizations: [
          { name: who, roles: ['administrator', who], home: true, suspended: false },
          { name: 'Analytical Engines', roles: [], home: false, suspended: true, leaveUrl: '/leave' },
        ],
        invitations: [{ id: 'one', name: who, inviter: who, roles: ['member'], until: before(-86_400) }],
      },
    },
    'account-empty': {
      name: 'account',
      data: { csrf, person: { username: who }, signOutUrl: '/sign-out', sessions: [], apps: [], organizations: [], invitations: [] },
    },
    ...Object.fromEntries(
      (['open', 'signed-out', 'other', 'unproven'] as const).map((state): [string, Sample] => [
        `invitation-${state}`,
        {
          name: 'invitation',
          data: {
            csrf,
            state,
            tenant: who,
            inviter: state === 'other' ? undefined : who,
            roles: state === 'other' ? [] : ['member', who],
            email: 'ada@example.com',
            until: before(-86_400),
            account: state === 'signed-out' ? undefined : { name: who, email: 'grace@example.com' },
            registerUrl: '/register',
            signInUrl: '/login',
          },
        },
      ]),
    ),
    'account-profile': {
      name: 'account-profile',
      data: {
        csrf,
        deleteAfter: before(-86_400 * 13),
        givenName: who,
        familyName: who,
        language: 'de',
        languages: [
          { id: 'en', name: 'English' },
          { id: 'de', name: 'Deutsch' },
        ],
        contacts: [
          { label: 'profile.email', value: 'ada@example.com', proven: true, changeUrl: '/account/email' },
          { label: 'profile.phone', value: null, proven: false, changeUrl: '/account/phone' },
          { label: 'profile.username', value: who, proven: true },
        ],
      },
    },
    'account-profile-refused': {
      name: 'account-profile',
      data: { csrf, errors: { given_name: 'profile.name_invalid' }, givenName: who, language: '', languages: [], contacts: [] },
    },
    'account-email': { name: 'account-contact', data: { csrf, kind: 'email', removable: false, backUrl: '/account/profile' } },
    'account-phone': {
      name: 'account-contact',
      data: { csrf, kind: 'phone', value: who, removable: true, backUrl: '/account/profile', errors: { phone: 'contact.phone_invalid' } },
    },
    'account-code': { name: 'account-code', data: { csrf, to: who, backUrl: '/account/email' } },
    'account-activity': {
      name: 'account-activity',
      data: {
        csrf,
        notice: 'activity.forgotten',
        devices: [
          {
            id: 'one',
            device: CHROME,
            address: '2001:db8::1',
            firstSeenAt: before(86_400 * 30),
            lastSeenAt: before(60),
            trustedUntil: before(-86_400 * 20),
          },
          { id: 'app', app: who, device: who, address: '192.0.2.17', firstSeenAt: before(86_400 * 30), lastSeenAt: before(600) },
          { id: 'two', firstSeenAt: before(86_400 * 90), lastSeenAt: before(86_400 * 40) },
        ],
        events: [
          { at: before(60), what: 'activity.login.succeeded', failed: false, ofOther: false, address: '192.0.2.17', device: CHROME },
          { at: before(600), what: 'activity.login.refused', failed: true, ofOther: true, address: '2001:db8::1', device: who },
          {
            at: before(6000),
            what: 'activity.password.set',
            failed: false,
            ofOther: false,
            by: { key: 'activity.by_administrator', values: { tenant: who } },
          },
          { at: before(9000), what: { key: 'activity.other', values: { type: who } }, failed: false, ofOther: false },
        ],
        nextUrl: '/account/activity?cursor=x',
        firstUrl: '/account/activity',
      },
    },
    'account-activity-empty': { name: 'account-activity', data: { csrf, devices: [], events: [] } },
    'account-data': {
      name: 'account-data',
      data: {
        csrf,
        graceDays: 14,
        notifications: [
          { name: 'news', on: true },
          { name: 'digest', on: false },
        ],
        agreements: [
          { noticeId: 'one', kind: 'terms', label: who, url: 'https://acme.example/terms', tenantName: who, agreedAt: before(86_400) },
          {
            noticeId: 'two',
            kind: 'privacy',
            label: '2026-11',
            url: 'https://acme.example/privacy',
            tenantName: 'Acme',
            agreedAt: before(864_000),
            withdrawnAt: before(3600),
          },
        ],
      },
    },
    'account-data-empty': { name: 'account-data', data: { csrf, graceDays: 14, notifications: [], agreements: [], deleteAfter: NOW } },
    'account-delete': {
      name: 'account-question',
      data: {
        csrf,
        title: 'delete.title',
        lead: 'delete.lead',
        until: before(-86_400 * 14),
        confirm: 'delete.submit',
        alert: 'delete.last_owner',
      },
    },
    'account-keep': {
      name: 'account-question',
      data: {
        csrf,
        title: 'account.keep_title',
        lead: 'account.deletion',
        until: before(-86_400 * 14),
        confirm: 'account.keep',
        keeps: true,
      },
    },
    'account-withdraw': {
      name: 'account-question',
      data: {
        csrf,
        title: 'withdraw.title',
        lead: { key: 'withdraw.lead', values: { what: who, tenant: who } },
        confirm: 'withdraw.submit',
      },
    },
    terms: {
      name: 'terms',
      data: {
        csrf,
        client,
        tenant: who,
        notices: [
          { id: 'one', kind: 'terms', label: who, url: 'https://acme.example/terms' },
          { id: 'two', kind: 'privacy', label: '2026-11', url: 'https://acme.example/privacy' },
        ],
        errors: { agree_terms: 'terms.required' },
      },
    },
    leave: { name: 'leave', data: { csrf, tenant: who, roles: ['member', who] } },
    'leave-refused': {
      name: 'leave',
      data: { csrf, tenant: who, roles: [], alert: { key: 'organizations.last_owner', values: { tenant: who } } },
    },
    'account-security': {
      name: 'account-security',
      data: {
        passkeys: [{ name: who, createdAt: before(86_400), lastUsedAt: before(60), renameUrl: '/rename', removeUrl: '/remove' }],
        apps: [{ name: who, createdAt: before(86_400), renameUrl: '/rename', removeUrl: '/remove' }],
        codes: { left: 3 },
        organization: who,
        identitiesUrl: '/account/identities',
        passkeyUrl: '/passkey',
        totpUrl: '/totp',
        codesUrl: '/codes',
      },
    },
    'account-security-empty': {
      name: 'account-security',
      data: {
        passkeys: [],
        apps: [],
        notice: { key: 'security.removed', values: { name: who } },
        passkeyUrl: '/passkey',
        totpUrl: '/totp',
        codesUrl: '/codes',
      },
    },
    'account-identities': {
      name: 'account-identities',
      data: {
        csrf,
        notice: { key: 'identities.linked', values: { name: who } },
        identities: [
          { id: 'one', provider: 'Google', who: 'ada@example.com' },
          { id: 'two', provider: who, who: undefined },
        ],
        offered: [
          { name: 'GitHub', url: '/link/github' },
          { name: who, url: '/link/acme' },
        ],
      },
    },
    'account-identities-refused': {
      name: 'account-identities',
      data: {
        csrf,
        alert: { key: 'identities.taken', values: { name: who } },
        identities: [],
        offered: [{ name: who, url: '/link/acme' }],
      },
    },
    'account-codes': { name: 'account-codes', data: { codes: ['ABCDE-FGHIJ', 'KLMNO-PQRST'], replaces: false, backUrl: '/account' } },
    'account-codes-again': { name: 'account-codes', data: { csrf, codes: undefined, replaces: true, backUrl: '/account' } },
    'account-rename': { name: 'account-rename', data: { csrf, name: who, errors: { name: 'field.required' }, backUrl: '/account' } },
    'account-remove': { name: 'account-remove', data: { csrf, name: who, codesToo: true } },
    'enrol-totp': {
      name: 'enrol-totp',
      data: {
        csrf,
        required: true,
        other: { id: 'passkey', url: '/passkey' },
        secret: 'ABCD EFGH IJKL MNOP QRST UVWX YZ23 4567',
        uri: 'otpauth://totp/Acme:ada?secret=ABCD',
        qr: 'data:image/svg+xml;base64,PHN2ZyB4bWxucz0iaHR0cDovL3d3dy53My5vcmcvMjAwMC9zdmciIHZpZXdCb3g9IjAgMCAxIDEiLz4=',
        errors: { code: 'totp.wrong' },
        backUrl: '/account',
      },
    },
    'enrol-passkey': {
      name: 'enrol-passkey',
      data: { csrf, options: '{}', other: { id: 'totp', url: '/totp' }, alert: 'passkey.failed', backUrl: '/account' },
    },
    'account-password': { name: 'account-password', data: { csrf, email: who, alert: 'password.wrong', backUrl: '/account' } },
  };
}
