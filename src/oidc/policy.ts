/** What a person is asked, and in which order: create, login, select_account, step_up, tenant, consent. */
import { type Configuration, type Grant, interactionPolicy, type KoaContextWithOIDC } from 'oidc-provider';
import { epochSeconds } from '../core/clock.ts';
import type { CachedClient } from '../features/clients/index.ts';
import type { Database } from '../infra/postgres.ts';
import { accountRecordOf } from './accounts.ts';
import { ACR, type Assurance, rank } from './assurance.ts';
import { recordOf } from './client-models.ts';
import { type Agreement, findConsent } from './store.ts';
import { actingTenantOf, admit, chooseTenant, isTooOld, seenAtOf, type TenantChoiceDeps, TenantRefused } from './tenant-choice.ts';

export { ACR, type Assurance } from './assurance.ts';

/** The least requested value, and whether the request insists on it (OpenID Connect Core section 5.5.1.1). */
function requested(ctx: KoaContextWithOIDC): { acr: string | undefined; essential: boolean } {
  const claim = ctx.oidc.claims.id_token?.['acr'];
  const wish = ctx.oidc.params?.['acr_values'];
  // The library looks at the shape of `claims` no deeper than this.
  const listed: unknown = claim?.values;
  const values: unknown[] =
    (Array.isArray(listed) ? listed : undefined) ??
    (claim?.value ? [claim.value] : undefined) ??
    (typeof wish === 'string' ? wish.split(' ') : []);
  const known = values.filter((value): value is string => typeof value === 'string' && rank(value) >= 0);
  return { acr: known.sort((a, b) => rank(a) - rank(b))[0], essential: claim?.essential === true };
}

/** What the session's person has shown: where `amr` has no `mfa`, a trusted device stood in for the second factor, and is none to who asks for one. */
function shownAcr({ oidc: { session } }: KoaContextWithOIDC): string | undefined {
  const [oneFactor] = ACR;
  return rank(session?.acr) > rank(oneFactor) && !session?.amr?.includes('mfa') ? oneFactor : session?.acr;
}

export function promptPolicy(assurance: Assurance, choice: TenantChoiceDeps): interactionPolicy.DefaultPolicy {
  const { base, Check, Prompt } = interactionPolicy;
  const policy = base();
  const login = policy.get('login');
  const consent = policy.get('consent');
  const native = consent?.checks.get('native_client_prompt');
  if (!login || !consent || !native) throw new Error('oidc-provider no longer has the prompts that this builds on');

  policy.add(new Prompt({ name: 'create', requestable: true }), 0);
  login.checks.remove('essential_acrs'); // both are the business of step_up
  login.checks.remove('essential_acr');
  login.checks.add(
    new Check('person_unknown', 'End-User authentication is required', 'login_required', (ctx) =>
      Boolean(ctx.oidc.session?.accountId && !ctx.oidc.account),
    ),
  );
  login.checks.add(
    new Check('tenant_requires', 'End-User authentication is required', 'login_required', async (ctx) => isOldForTenant(choice, ctx)),
  );
  policy.add(new Prompt({ name: 'select_account', requestable: true }), 2);
  policy.add(stepUp(assurance), 3);
  policy.add(tenantPrompt(choice), 4);

  consent.details = (ctx) => ({ tenantName: tenantNameOf(ctx) });
  consent.checks.remove('native_client_prompt');
  const thirdPartyOnly = (ctx: KoaContextWithOIDC) => (isFirstParty(ctx) ? Check.NO_NEED_TO_PROMPT : native.check(ctx));
  consent.checks.add(
    new Check(native.reason, native.description, native.error ?? 'interaction_required', thirdPartyOnly, native.details),
    0,
  );
  return policy;
}

function stepUp(assurance: Assurance): interactionPolicy.Prompt {
  const { Check, Prompt } = interactionPolicy;
  const person = (ctx: KoaContextWithOIDC): string => ctx.oidc.session?.accountId ?? '';
  const required = (ctx: KoaContextWithOIDC): Promise<string> => assurance.required(person(ctx), clientOf(ctx), actingTenantOf(ctx));
  return new Prompt(
    { name: 'step_up' },
    new Check(
      'policy_requires',
      'a stronger authentication is required',
      'unmet_authentication_requirements',
      async (ctx) => rank(ctx.oidc.session?.acr) < rank(await required(ctx)),
      async (ctx) => {
        const acr = await required(ctx);
        return { acr, enrol: rank(await assurance.reachable(person(ctx))) < rank(acr), authTime: ctx.oidc.session?.authTime() };
      },
    ),
    new Check(
      'acr_requested',
      'the requested authentication context was not met',
      'unmet_authentication_requirements',
      async (ctx) => {
        const { acr, essential } = requested(ctx);
        if (!acr || rank(shownAcr(ctx)) >= rank(acr)) return Check.NO_NEED_TO_PROMPT;
        // A wish that the person's factors cannot fulfil stays a wish.
        return essential || rank(await assurance.reachable(person(ctx))) >= rank(acr);
      },
      (ctx) => ({ ...requested(ctx), authTime: ctx.oidc.session?.authTime() }),
    ),
  );
}

/** Whether the session is older, or was idle for longer, than the tenant allows that is going to be acted in. */
async function isOldForTenant(deps: TenantChoiceDeps, ctx: KoaContextWithOIDC): Promise<boolean> {
  const choice = chooseTenant(deps, ctx);
  const { session } = ctx.oidc;
  const facts = choice && 'tenantId' in choice ? await deps.tenants.find(choice.tenantId) : undefined;
  if (!facts || !session) return false;
  return isTooOld(facts, { authTime: session.loginTs, usedAt: seenAtOf(session) }, epochSeconds(deps.clock.now()));
}

/** In which of their tenants the person acts, where that is not said and several fit. Refuses, by error to the client, who belongs to none that fits. */
function tenantPrompt(deps: TenantChoiceDeps): interactionPolicy.Prompt {
  const { Check, Prompt } = interactionPolicy;
  return new Prompt(
    { name: 'tenant' },
    new Check(
      'tenant_choice',
      'a choice of the organization is required',
      'interaction_required',
      async (ctx) => {
        const choice = chooseTenant(deps, ctx);
        if (!choice) return Check.NO_NEED_TO_PROMPT;
        if ('refused' in choice) throw new TenantRefused();
        if ('choose' in choice) return Check.REQUEST_PROMPT;
        await admit(deps, choice.tenantId, ctx.oidc.account?.accountId);
        return Check.NO_NEED_TO_PROMPT;
      },
      (ctx) => {
        const choice = chooseTenant(deps, ctx);
        const fitting = choice && 'choose' in choice ? choice.choose : [];
        return { tenants: fitting.map(({ tenantId: id, name, roles }) => ({ id, name, roles })) };
      },
    ),
  );
}

/** Consent says for which tenant it is; the root tenant is nobody's idea of one. */
function tenantNameOf(ctx: KoaContextWithOIDC): string | undefined {
  const acting = actingTenantOf(ctx);
  const membership = accountRecordOf(ctx.oidc.account)?.memberships.find(({ tenantId }) => tenantId === acting);
  return membership?.type === 'root' ? undefined : membership?.name;
}

function clientOf(ctx: KoaContextWithOIDC): CachedClient {
  if (!ctx.oidc.client) throw new Error('no client yet');
  return recordOf(ctx.oidc.client);
}

const isFirstParty = (ctx: KoaContextWithOIDC): boolean => clientOf(ctx).firstParty;

export interface GrantPolicyDeps {
  db: Database;
  grantSeconds: number;
  /** Takes from the request what the person cannot be granted. */
  narrow(ctx: KoaContextWithOIDC): Promise<void>;
}

/**
 * A grant is one session's at one client and ends with it; what the person agreed to is remembered apart, by person and client, so that
 * only what is new is asked again. First-party clients are granted what they ask for.
 */
export const loadExistingGrant =
  (deps: GrantPolicyDeps): NonNullable<Configuration['loadExistingGrant']> =>
  async (ctx) => {
    const { client, session, result, provider, account } = ctx.oidc;
    if (!client || !session || !account) return undefined;
    await deps.narrow(ctx);
    const known = result?.consent?.grantId ?? session.grantIdFor(client.clientId);
    const found = known ? await provider.Grant.find(known) : undefined;
    const own = found?.accountId === account.accountId && found.clientId === client.clientId ? found : undefined;
    const grant = own ?? new provider.Grant({ accountId: account.accountId, clientId: client.clientId });
    // While consent is still to be asked for, remembered consent would leave nothing to ask.
    if (ctx.oidc.prompts.has('consent') && ctx.oidc.promptPending('consent')) return own;
    const before = contents(grant);
    const agreed = isFirstParty(ctx) ? everythingAsked(ctx) : await findConsent(deps.db, account.accountId, client.clientId);
    if (agreed?.scope) grant.addOIDCScope(agreed.scope);
    if (agreed?.claims) grant.addOIDCClaims(agreed.claims.split(' '));
    for (const [resource, scope] of Object.entries(agreed?.resources ?? {})) if (scope) grant.addResourceScope(resource, scope);
    const ages = own?.exp !== undefined && own.remainingTTL < deps.grantSeconds * 0.9;
    if (before !== contents(grant) || ages) {
      // Else the library keeps the first expiry, and the grant would end before refresh tokens that are made from now on.
      Reflect.deleteProperty(grant, 'exp');
      Reflect.deleteProperty(grant, 'expiresIn');
      await grant.save();
    }
    return grant.jti ? grant : undefined;
  };

const contents = (grant: Grant): string => JSON.stringify([grant.openid ?? null, grant.resources ?? null]);

function everythingAsked(ctx: KoaContextWithOIDC): Agreement {
  const asked = [...ctx.oidc.requestParamScopes];
  const resources = Object.entries(ctx.oidc.resourceServers ?? {}).map(([identifier, server]): [string, string] => {
    const offered = String(server.scope).split(' ');
    return [identifier, asked.filter((scope) => offered.includes(scope)).join(' ')];
  });
  const claims = [...ctx.oidc.requestParamClaims].join(' ');
  return { scope: [...ctx.oidc.requestParamOIDCScopes].join(' '), claims, resources: Object.fromEntries(resources) };
}
