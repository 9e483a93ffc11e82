/** What a new installation begins with: the root tenant, its issuer, the built-in applications and the first administrator. */
import { access, chmod, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { ACCOUNT_CLIENT_ID } from '../account/routes.ts';
import type { Config } from '../config.ts';
import { newId } from '../core/ids.ts';
import { ALL_PERMISSIONS } from '../core/permissions.ts';
import { systemScope } from '../core/scope.ts';
import { demoClients } from '../demo/apps.ts';
import { type ClientDeps, createClient, patchClient } from '../features/clients/commands.ts';
import type { NewClient } from '../features/clients/schema.ts';
import type { Installation } from '../features/tenants/index.ts';
import { ensureBaseIssuer, ensureRootTenant, listIssuers } from '../features/tenants/store.ts';
import { type AdministratorDeps, ensureAdministrator } from '../features/users/administrators.ts';
import type { Database } from '../infra/postgres.ts';

export async function ensureInstallation(db: Database, config: Config): Promise<Installation> {
  const rootTenantId = await db.transaction(async (sql) => {
    const id = await ensureRootTenant(sql, { id: newId(), name: 'Gatehouse' });
    await ensureBaseIssuer(sql, config.issuer, id);
    return id;
  });
  return { rootTenantId, issuers: await listIssuers(db) };
}

export interface BootstrapParts {
  config: Config;
  rootTenantId: string;
  users: AdministratorDeps;
  clients: ClientDeps;
  /** Of any tenant; undefined where there is none of that id. */
  findClient(clientId: string): Promise<{ metadata: Readonly<Record<string, unknown>> } | undefined>;
}

/** Makes what is missing. Answers the lines that tell how the first administrator signs in; none where there was one. */
export async function bootstrap({ config, rootTenantId, users, clients, findClient }: BootstrapParts): Promise<string[]> {
  const scope = systemScope(rootTenantId, 'bootstrap', ALL_PERMISSIONS);
  const { adminEmail, adminPassword, clientId, clientSecret } = config.bootstrap;

  async function ensureClient(client: NewClient & { client_id: string }, secret?: string): Promise<void> {
    const known = await findClient(client.client_id);
    try {
      if (!known) await createClient(clients, scope, client, secret);
      else if (client.redirect_uris && !sameList(known.metadata['redirect_uris'], client.redirect_uris))
        await patchClient(clients, scope, client.client_id, client);
    } catch (error) {
      // Another process that starts now was faster.
      if ((error as { status?: unknown }).status !== 409) throw error;
    }
  }

  await ensureClient(accountClient(config.issuer));
  if (config.loopback && !config.production)
    for (const client of demoClients(config.issuer)) await ensureClient(client as NewClient & { client_id: string });
  if (clientId !== undefined && clientSecret !== undefined)
    await ensureClient(
      {
        client_id: clientId,
        client_name: 'Management client',
        grant_types: ['client_credentials'],
        response_types: [],
        redirect_uris: [],
        token_endpoint_auth_method: 'client_secret_basic',
        permissions: [...ALL_PERMISSIONS],
      },
      clientSecret,
    );
  const administrator = await ensureAdministrator(users, rootTenantId, { email: adminEmail, password: adminPassword });
  if (!administrator) return [];
  if (administrator.password === undefined) return [`First administrator   ${administrator.email}, with the password that was set`];
  return tell(config, administrator.email, administrator.password);
}

/** On a terminal the password is shown; elsewhere output is kept by others, and it goes into a file of its own. */
async function tell(config: Config, email: string, password: string): Promise<string[]> {
  if (process.stdout.isTTY)
    return [`First administrator   ${email}`, `  password            ${password}   (to be changed at the first sign-in; not shown again)`];
  const file = path.join(config.dataDir, 'first-administrator.txt');
  await writeFile(file, `${email}\n${password}\n`, { mode: 0o600, flag: (await exists(file)) ? 'w' : 'wx' });
  await chmod(file, 0o600);
  return [
    `First administrator   ${email}`,
    `  password            in ${file}   (to be changed at the first sign-in; delete the file then)`,
  ];
}

const exists = (file: string): Promise<boolean> =>
  access(file).then(
    () => true,
    () => false,
  );

const sameList = (left: unknown, right: readonly string[]): boolean => JSON.stringify(left) === JSON.stringify(right);

/** The account page signs people in as an application of its own; the code it gets is thrown away, the session stays. */
const accountClient = (issuer: string): NewClient & { client_id: string } => ({
  client_id: ACCOUNT_CLIENT_ID,
  client_name: 'Your account',
  client_uri: `${issuer}/account`,
  redirect_uris: [`${issuer}/account`],
  post_logout_redirect_uris: [`${issuer}/account`],
  grant_types: ['authorization_code'],
  response_types: ['code'],
  token_endpoint_auth_method: 'none',
  first_party: true,
});
