import { Type } from '@sinclair/typebox';
import type { Scope } from '../../core/scope.ts';
import { DELETED, deleted } from '../../http/paging.ts';
import { type Answer, answer, ID_PARAMS, type Route, route } from '../../http/route.ts';
import { getLogo, type LogoDeps, MAX_BYTES, MAX_PIXELS, putLogo, removeLogo } from './commands.ts';
import { logoUrl } from './index.ts';
import type { LogoRow } from './store.ts';

export interface LogoRouteDeps extends LogoDeps {
  inTenant(scope: Scope, id: string): Promise<Scope>;
  /** Throws 404 where the tenant has no such application. */
  checkClient(scope: Scope, clientId: string): Promise<void>;
}

const LOGO = Type.Object({
  id: Type.String(),
  url: Type.String({ description: 'A path at every issuer of the installation; it changes with the picture' }),
  type: Type.String(),
  width: Type.Integer(),
  height: Type.Integer(),
  bytes: Type.Integer(),
  createdAt: Type.String({ format: 'date-time' }),
});
const CLIENT_PARAMS = Type.Object({ client_id: Type.String({ pattern: '^[A-Za-z0-9_.~-]{1,64}$' }) });
const UPLOAD = { types: ['image/png', 'image/jpeg', 'image/webp'], maxBytes: MAX_BYTES };
const TAKEN = `The body is the picture: PNG, JPEG or WebP, at most ${MAX_BYTES / 1024} KiB and ${MAX_PIXELS} pixels a side. It is judged by its bytes, and no SVG is taken, since that can carry scripts.`;
const tag = 'Branding';

/** What pages show of a tenant and of its applications. */
export function logoRoutes(deps: LogoRouteDeps): Route[] {
  const ofTenant = {
    tag,
    params: ID_PARAMS,
    load: (scope: Scope, { id }: { id: string }): Promise<Scope> => deps.inTenant(scope, id),
  } as const;
  const ofClient = {
    tag,
    params: CLIENT_PARAMS,
    load: (scope: Scope, { client_id }: { client_id: string }): Promise<void> => deps.checkClient(scope, client_id),
  } as const;
  return [
    route('GET /api/tenants/{id}/logo', {
      ...ofTenant,
      summary: 'See which logo a tenant has',
      access: 'tenants.read',
      reply: LOGO,
      handle: async (_scope, { loaded }) => versioned(await getLogo(deps, loaded, null)),
    }),
    route('PUT /api/tenants/{id}/logo', {
      ...ofTenant,
      summary: 'Set the logo of a tenant',
      description: `${TAKEN} It stands on the sign-in pages, with \`settings.branding.displayName\` as its text.`,
      access: 'tenants.write',
      upload: UPLOAD,
      reply: LOGO,
      handle: async (_scope, { loaded, upload, ifMatch, ctx }) =>
        versioned(await putLogo(deps, loaded, null, await received(upload, ctx.get('content-type')), ifMatch)),
    }),
    route('DELETE /api/tenants/{id}/logo', {
      ...ofTenant,
      summary: 'Remove the logo of a tenant',
      access: 'tenants.write',
      reply: DELETED,
      handle: async (_scope, { params, loaded, ifMatch }) => {
        await removeLogo(deps, loaded, null, ifMatch);
        return deleted(params.id);
      },
    }),
    route('GET /api/clients/{client_id}/logo', {
      ...ofClient,
      summary: 'See which logo an application has',
      access: 'clients.read',
      reply: LOGO,
      handle: async (scope, { params }) => versioned(await getLogo(deps, scope, params.client_id)),
    }),
    route('PUT /api/clients/{client_id}/logo', {
      ...ofClient,
      summary: 'Set the logo of an application',
      description: `${TAKEN} It stands beside the application’s name; \`logo_uri\` is never loaded by pages, so that nobody elsewhere learns who signs in.`,
      access: 'clients.write',
      upload: UPLOAD,
      reply: LOGO,
      handle: async (scope, { params, upload, ifMatch, ctx }) =>
        versioned(await putLogo(deps, scope, params.client_id, await received(upload, ctx.get('content-type')), ifMatch)),
    }),
    route('DELETE /api/clients/{client_id}/logo', {
      ...ofClient,
      summary: 'Remove the logo of an application',
      access: 'clients.write',
      reply: DELETED,
      handle: async (scope, { params, ifMatch }) => {
        await removeLogo(deps, scope, params.client_id, ifMatch);
        return deleted(params.client_id);
      },
    }),
  ];
}

async function received(upload: AsyncIterable<Buffer>, type: string): Promise<{ bytes: Buffer; declared: string }> {
  const pieces: Buffer[] = [];
  for await (const piece of upload) pieces.push(piece);
  return { bytes: Buffer.concat(pieces), declared: type.toLowerCase().split(';')[0]!.trim() };
}

const versioned = (row: LogoRow): Answer =>
  answer(
    {
      id: row.id,
      url: logoUrl(row.id),
      type: row.type,
      width: row.width,
      height: row.height,
      bytes: row.size,
      createdAt: row.created_at.toISOString(),
    },
    { version: row.id },
  );
