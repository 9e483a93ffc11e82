import { notFound } from '../../core/errors.ts';
import { ownPerson } from '../../core/permissions.ts';
import type { Scope } from '../../core/scope.ts';
import { type AssuranceDemand, requireAssurance } from '../../http/assurance.ts';
import { DELETED, deleted } from '../../http/paging.ts';
import { ID_PARAMS, type Route, route } from '../../http/route.ts';
import { type DeletionDeps, keepAccount, scheduleDeletion } from './deletion.ts';
import { forgetDevice } from './devices.ts';
import { type ExportDeps, exportAccount } from './export.ts';
import type { ContactKind, ContactStarted } from './index.ts';
import { changeNotifications, notificationsOf } from './notifications.ts';
import { forgetPhone, type PhoneDeps } from './phone.ts';
import {
  CHANGE_STARTED,
  CHANGED,
  DELETION,
  DEVICES,
  deviceView,
  EMAIL_CHANGED,
  EMAIL_INPUT,
  EXPORT,
  FORGOTTEN,
  NOTIFICATIONS,
  PASSWORD_INPUT,
  PHONE_CHANGED,
  PHONE_INPUT,
  VERIFY_INPUT,
} from './schema.ts';
import { devicesOf, findMe } from './store.ts';

export interface OwnAccountDeps extends DeletionDeps, ExportDeps, PhoneDeps {
  /** How the person has to have signed in for what changes who they are here. */
  demandOf(userId: string): Promise<AssuranceDemand>;
  /** Sends a code to the new address or number. Throws 422 where it is none, 429, and 503 where nothing can be sent there. */
  startContact(scope: Scope, userId: string, kind: ContactKind, to: string): Promise<ContactStarted>;
  /** Answers what it is now. Throws 422 `/code` for a wrong or late one, 409 where it is somebody else's by now, 429. */
  finishContact(scope: Scope, userId: string, kind: ContactKind, changeToken: string, code: string): Promise<string>;
  /** Throws 422 and 429. */
  changePassword(scope: Scope, userId: string, current: string, next: string): Promise<void>;
}

const tag = 'Own account';
const access = 'account';
const STEP_UP =
  'Needs a sign-in of the last five minutes, with a second factor where you have one: 401 with what to ask for (RFC 9470) otherwise.';

/** What people do about their own account, for front ends of others: with a token of scope `account`. */
export function ownAccountRoutes(deps: OwnAccountDeps): Route[] {
  const fresh = async (scope: Scope): Promise<string> => {
    const userId = ownPerson(scope);
    requireAssurance(deps, scope, await deps.demandOf(userId));
    return userId;
  };
  /** For the end of what was begun freshly: the second factor may have come in between. */
  const strong = async (scope: Scope): Promise<string> => {
    const userId = ownPerson(scope);
    const { acr } = await deps.demandOf(userId);
    requireAssurance(deps, scope, { acr });
    return userId;
  };
  const me = async (scope: Scope) => {
    const row = await findMe(deps.db, ownPerson(scope));
    if (!row) throw notFound('user');
    return row;
  };
  return [
    route('POST /api/me/email', {
      summary: 'Begin to change your e-mail address',
      description: `A code goes to the new address; the answer is the same where somebody else has it. ${STEP_UP}`,
      tag,
      access,
      idempotent: false,
      body: EMAIL_INPUT,
      reply: CHANGE_STARTED,
      status: 202,
      handle: async (scope, { body }) => started(await deps.startContact(scope, await fresh(scope), 'email', body.email)),
    }),
    route('POST /api/me/email/verify', {
      summary: 'Change your e-mail address with the code that went there',
      description: 'The address before is told. Needs a sign-in with a second factor where you have one (RFC 9470).',
      tag,
      access,
      idempotent: false,
      body: VERIFY_INPUT,
      reply: EMAIL_CHANGED,
      errors: [409],
      handle: async (scope, { body }) => ({
        email: await deps.finishContact(scope, await strong(scope), 'email', body.changeToken, body.code),
        emailVerified: true as const,
      }),
    }),
    route('POST /api/me/phone', {
      summary: 'Begin to change your phone number',
      description: `A code goes there by text message. ${STEP_UP}`,
      tag,
      access,
      idempotent: false,
      body: PHONE_INPUT,
      reply: CHANGE_STARTED,
      status: 202,
      handle: async (scope, { body }) => started(await deps.startContact(scope, await fresh(scope), 'phone', body.phone)),
    }),
    route('POST /api/me/phone/verify', {
      summary: 'Change your phone number with the code that went there',
      tag,
      access,
      idempotent: false,
      body: VERIFY_INPUT,
      reply: PHONE_CHANGED,
      errors: [409],
      handle: async (scope, { body }) => ({
        phone: await deps.finishContact(scope, await strong(scope), 'phone', body.changeToken, body.code),
        phoneVerified: true as const,
      }),
    }),
    route('DELETE /api/me/phone', {
      summary: 'Remove your phone number',
      description: `It stays where nothing else would open the account: 409 \`phone.last_way_in\`. ${STEP_UP}`,
      tag,
      access,
      versioned: false,
      reply: DELETED,
      errors: [404, 409],
      handle: async (scope) => {
        const userId = await fresh(scope);
        await forgetPhone(deps, scope, userId);
        return deleted(userId);
      },
    }),
    route('POST /api/me/password', {
      summary: 'Change your password',
      description: `Every other session and every token ends. ${STEP_UP}`,
      tag,
      access,
      idempotent: false,
      body: PASSWORD_INPUT,
      reply: CHANGED,
      handle: async (scope, { body }) => {
        await deps.changePassword(scope, await fresh(scope), body.currentPassword, body.newPassword);
        return { changed: true as const };
      },
    }),
    route('GET /api/me/devices', {
      summary: 'List the browsers and applications that you have signed in with',
      tag,
      access,
      versioned: false,
      reply: DEVICES,
      handle: async (scope) => ({
        items: (await devicesOf(deps, ownPerson(scope), deps.clock.now())).map(deviceView),
        nextCursor: null,
      }),
    }),
    route('DELETE /api/me/devices', {
      summary: 'Forget all of your browsers',
      description: 'None stands in for a second factor any more.',
      tag,
      access,
      versioned: false,
      reply: FORGOTTEN,
      handle: async (scope) => ({ ...deleted(ownPerson(scope)), forgotten: await forgetDevice(deps, scope, ownPerson(scope)) }),
    }),
    route('DELETE /api/me/devices/{id}', {
      summary: 'Forget a browser',
      tag,
      access,
      versioned: false,
      params: ID_PARAMS,
      reply: DELETED,
      handle: async (scope, { params }) => {
        await forgetDevice(deps, scope, ownPerson(scope), params.id);
        return deleted(params.id);
      },
    }),
    route('GET /api/me/notifications', {
      summary: 'See of what you are told by mail',
      tag,
      access,
      versioned: false,
      reply: NOTIFICATIONS,
      handle: async (scope) => ({ email: { ...notificationsOf(await me(scope)) } }),
    }),
    route('PUT /api/me/notifications', {
      summary: 'Choose of what you are told by mail',
      description: 'Changes the named ones. Mails about the security of your account cannot be switched off.',
      tag,
      access,
      versioned: false,
      body: NOTIFICATIONS,
      reply: NOTIFICATIONS,
      handle: async (scope, { body }) => ({ email: { ...(await changeNotifications(deps, scope, ownPerson(scope), body.email)) } }),
    }),
    route('GET /api/me/export', {
      summary: 'Export everything that is kept of you',
      description: `As JSON, less secrets. ${STEP_UP}`,
      tag,
      access,
      versioned: false,
      reply: EXPORT,
      handle: async (scope) => exportAccount(deps, scope, await fresh(scope)),
    }),
    route('DELETE /api/me', {
      summary: 'Delete your account',
      description: `Not at once: until \`deleteAfter\` you may sign in and keep it. The last owner of a tenant stays: 409 \`user.last_owner\`. ${STEP_UP}`,
      tag,
      access,
      versioned: false,
      reply: DELETION,
      status: 202,
      errors: [409],
      handle: async (scope) => {
        const userId = await fresh(scope);
        return { id: userId, deleteAfter: (await scheduleDeletion(deps, scope, userId)).toISOString() };
      },
    }),
    route('POST /api/me/keep', {
      summary: 'Keep your account after all',
      tag,
      access,
      reply: DELETION,
      handle: async (scope) => {
        await keepAccount(deps, scope, ownPerson(scope));
        return { id: ownPerson(scope), deleteAfter: null };
      },
    }),
  ];
}

const started = ({ changeToken, expiresAt }: ContactStarted) => ({ changeToken, expiresAt: expiresAt.toISOString() });
