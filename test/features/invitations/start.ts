/** The routes of invitations on a database of their own; mails are read as they are queued. */
import { systemClock } from '#src/core/clock.ts';
import { newId } from '#src/core/ids.ts';
import type { InvitationDeps } from '#src/features/invitations/index.ts';
import { ownInvitationRoutes } from '#src/features/invitations/me.ts';
import { invitationRoutes } from '#src/features/invitations/routes.ts';
import { bookOf } from '#src/features/roles/book.ts';
import { tenantInPath } from '#src/features/tenants/in-path.ts';
import { readTenant } from '#src/features/tenants/store.ts';
import { createLimits } from '#src/infra/limits.ts';
import type { Mail } from '#src/infra/mail.ts';
import { renderMail } from '#src/login/mails/render.ts';
import { type ApiHarness, startApi } from '#test/support/api.ts';

export interface InvitationApi extends ApiHarness {
  mails: Mail[];
  deps: InvitationDeps;
  /** The secret in the newest mail to the address. */
  secretFor(email: string): string;
  /** Somebody at home in the root tenant, with a token of scope `account`. */
  addPerson(email: string, more?: { verified?: boolean }): Promise<{ id: string; token: string }>;
}

export async function startInvitationApi(): Promise<InvitationApi> {
  const mails: Mail[] = [];
  let deps!: InvitationDeps;
  const api = await startApi(({ db, transact, audit }) => {
    deps = {
      db,
      clock: systemClock,
      transact,
      limits: createLimits({ db }),
      queueMail: async (mail) => void mails.push(mail),
      render: (mail) => renderMail('invitation', 'en', mail),
      bookOf,
      checkAttributes: async () => {},
      baseIssuer: 'https://base.test',
    };
    const tenants = { find: (id: string) => readTenant(db, id) };
    return [
      ...invitationRoutes({ ...deps, inTenant: (scope, id) => tenantInPath({ tenants }, scope, id) }),
      ...ownInvitationRoutes({ db, transact, audit }),
    ];
  });
  return {
    ...api,
    mails,
    deps,
    secretFor(email) {
      const text = mails.filter(({ to }) => to === email).at(-1)?.text ?? '';
      const found = /\/account\/invitations\/([\w-]{43})\b/.exec(text)?.[1];
      if (!found) throw new Error(`no invitation was mailed to ${email}`);
      return found;
    },
    async addPerson(email, { verified = true } = {}) {
      const id = newId();
      await api.owner.query(
        `insert into users (id, home_tenant_id, email, email_key, email_verified_at, given_name) values ($1, $2, $3, $4, $5, 'Ada')`,
        [id, api.rootTenantId, email, email.toLowerCase(), verified ? systemClock.now() : null],
      );
      return { id, token: api.tokenOf({ tenantId: api.rootTenantId, actor: { type: 'user', id }, permissions: ['account'] }) };
    },
  };
}

/** For the suite of the API's resources, which knows paths that are fixed: the tenant's id is put in for it. */
export async function startPlaced(): Promise<ApiHarness> {
  const api = await startInvitationApi();
  return { ...api, call: (token, signature, options) => api.call(token, signature.replace('/TENANT/', `/${api.tenants[0]}/`), options) };
}
