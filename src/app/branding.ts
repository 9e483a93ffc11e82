/** Whose page it is that people see: the tenant's name, logo and colour, and the application's where it has a colour of its own. */
import type { IncomingMessage } from 'node:http';
import type { Middleware } from 'koa';
import { createLogoCache } from '../features/branding/cache.ts';
import type { LogoDeps } from '../features/branding/commands.ts';
import { type LogoCache, logoUrl } from '../features/branding/index.ts';
import { logoRoutes } from '../features/branding/routes.ts';
import { clientNotFound } from '../features/clients/errors.ts';
import type { CachedClient } from '../features/clients/index.ts';
import { knownClients } from '../features/clients/queries.ts';
import { tenantInPath } from '../features/tenants/in-path.ts';
import type { TenantCache } from '../features/tenants/index.ts';
import { settingsOf } from '../features/tenants/settings.ts';
import type { Brand } from '../http/pages.ts';
import type { Route } from '../http/route.ts';
import { isColor } from '../http/theme.ts';
import { setBrand } from '../http/view.ts';
import type { ChangeFeed } from '../infra/change-feed.ts';
import type { Database } from '../infra/postgres.ts';
import { createInteractions, type Interactions, type InteractionsDeps } from '../oidc/interaction.ts';

export interface BrandingParts {
  db: Database;
  feed: ChangeFeed;
  tenants: TenantCache;
  rootTenantId: string;
  clients: { find(clientId: string): Promise<CachedClient | undefined> };
}

export interface Branding {
  /** The tenant's; undefined where it is the installation's own and says nothing. In the colour of the application, where that has one. */
  of(tenantId: string, clientId?: string): Promise<Brand | undefined>;
  /** The address of the application's logo, of ours in any case. */
  clientLogo(tenantId: string, clientId: string): Promise<string | undefined>;
  logos: LogoCache;
}

/** What a tenant is called on pages and in mails; undefined where it is the installation's own and says nothing. */
export async function brandName(
  { tenants, rootTenantId }: Pick<BrandingParts, 'tenants' | 'rootTenantId'>,
  tenantId: string,
): Promise<string | undefined> {
  const tenant = await tenants.find(tenantId);
  if (!tenant) return undefined;
  return settingsOf(tenant).branding.displayName ?? (tenantId === rootTenantId ? undefined : tenant.name);
}

export function createBranding({ db, feed, tenants, rootTenantId, clients }: BrandingParts): Branding {
  const logos = createLogoCache({ db, feed });
  const urlOf = (id: string | null | undefined): string | undefined => (id ? logoUrl(id) : undefined);
  const nameOf = (tenantId: string): Promise<string | undefined> => brandName({ tenants, rootTenantId }, tenantId);
  return {
    logos,
    async of(tenantId, clientId) {
      const [tenant, client, found, name] = await Promise.all([
        tenants.find(tenantId),
        clientId === undefined ? undefined : clients.find(clientId),
        logos.of(tenantId),
        nameOf(tenantId),
      ]);
      const own = client?.metadata['brand_color'];
      const color = typeof own === 'string' && isColor(own) ? own : tenant && settingsOf(tenant).branding.primaryColor;
      const logoUri = urlOf(found.tenant);
      if (name === undefined && color === undefined && logoUri === undefined) return undefined;
      return { name, ...(color === undefined ? {} : { color }), ...(logoUri === undefined ? {} : { logoUri }) };
    },
    async clientLogo(tenantId, clientId) {
      const { clients: known } = await logos.of(tenantId);
      return Object.hasOwn(known, clientId) ? urlOf(known[clientId]) : undefined;
    },
  };
}

export function brandingRoutes({
  tenants,
  branding,
  ...rest
}: Pick<LogoDeps, 'db' | 'transact'> & { tenants: TenantCache; branding: Branding }): Route[] {
  const deps: LogoDeps = { ...rest, logos: branding.logos };
  return logoRoutes({
    ...deps,
    inTenant: (scope, id) => tenantInPath({ tenants }, scope, id),
    async checkClient(scope, clientId) {
      if ((await knownClients(deps, scope, [clientId])).length === 0) throw clientNotFound();
    },
  });
}

/** Every page below these is somebody's. */
const PAGES = /^\/(login|account|demo|dev|admin)(\/|$)/;

/** Says of each page whose it is: the tenant's that `tenantHere` names, by the issuer, unless something later says more. */
export const brandedPages =
  ({ branding }: { branding: Branding }, tenantHere: () => string): Middleware =>
  async (ctx, next) => {
    if (PAGES.test(ctx.path)) brand(ctx.req, await branding.of(tenantHere()));
    await next();
  };

/** Pages on the way to an application are of the application's tenant and show the logo it has here, never one from elsewhere. */
export function createBrandedInteractions(branding: Branding, deps: InteractionsDeps): Interactions {
  const interactions = createInteractions(deps);
  return {
    ...interactions,
    async load(req, res) {
      const { client, ...found } = await interactions.load(req, res);
      const { logoUri: _elsewhere, ...plain } = client;
      const logoUri = await branding.clientLogo(client.tenantId, client.clientId);
      brand(req, await branding.of(client.tenantId, client.clientId));
      return { ...found, client: logoUri === undefined ? plain : { ...plain, logoUri } };
    },
  };
}

function brand(req: IncomingMessage, whose: Brand | undefined): void {
  if (whose) setBrand({ req }, whose);
}
