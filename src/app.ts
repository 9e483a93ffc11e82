/** The composition root: starts what src/app/ builds, opens the ports, and closes everything in reverse. */
import { type AppOptions, type BuiltApp, buildApp } from './app/build.ts';
import { TENANCY_SCHEDULE } from './app/tenancy.ts';
import type { Config } from './config.ts';
import { ALL_PERMISSIONS } from './core/permissions.ts';
import { systemScope } from './core/scope.ts';
import { createClient } from './features/clients/commands.ts';
import type { NewClient } from './features/clients/schema.ts';
import { DOMAIN_CHECK_SCHEDULE } from './features/domains/commands.ts';
import { IMPORT_SCHEDULE } from './features/imports/index.ts';
import { DELETION_SCHEDULE } from './features/me/deletion.ts';
import { TEND_JOB } from './features/signing-keys/commands.ts';
import type { Issuer } from './features/tenants/index.ts';
import { recoverAdministrator } from './features/users/administrators.ts';
import { createUser, type NewUser } from './features/users/create.ts';
import { createServer, OWN_PATHS } from './http/server.ts';
import { listenWhileWaiting } from './http/waiting.ts';
import type { Logger } from './infra/log.ts';
import { SWEEP_SCHEDULE } from './infra/sweeps.ts';

export type { AppOptions } from './app/build.ts';

/** Starts the server. Answers the lines that tell where everything is. Throws where a part cannot start; nothing is left running then. */
export async function startApp(config: Config, options: AppOptions) {
  const { log } = options;
  const onWaiting = (): Promise<() => Promise<void>> => listenWhileWaiting(config.host, config.port);
  const app = await buildApp(config, { onWaiting, ...options });
  const { closers, health, metrics, protocol } = app;
  try {
    const own = app.own.callback();
    const server = createServer({
      issuerOf: issuerByHost(app.issuers),
      baseIssuer: config.issuer,
      trustedProxies: config.trustedProxies,
      clientCertificate: { certificate: config.clientCertificateHeader, verified: config.clientCertificateVerifiedHeader },
      health,
      own,
      ownPaths: OWN_PATHS,
      view: app.view,
      log,
      accessLog: log.child({}, { redact: [] }),
      protocol: (issuer) => (request, response) => protocol.pool.handle(issuer, request, response),
      onAnswered: metrics.answered,
    });
    metrics.statements(() => app.db.statements.count);
    metrics.readiness(() => health.isReady());
    closers.push(() => metrics.close());
    const metricsUrl = await serveMetrics(config, app, log);
    await app.jobs.start(app.handlers, [
      SWEEP_SCHEDULE,
      DOMAIN_CHECK_SCHEDULE,
      IMPORT_SCHEDULE,
      DELETION_SCHEDULE,
      ...TENANCY_SCHEDULE,
      { name: TEND_JOB, at: '* * * * *' },
    ]);
    closers.push(() => app.jobs.stop());
    closers.push(() => server.close());
    await server.listen(config.host, config.port);
    return { close: app.close, banner: bannerOf(config, app, metricsUrl), db: app.db, rootTenantId: app.rootTenantId };
  } catch (error) {
    await app.close();
    throw error;
  }
}

/** For the command line: the same parts without a port or jobs. */
export async function openTools(config: Config, { log }: { log: Logger }) {
  const app = await buildApp(config, { log });
  const scope = systemScope(app.rootTenantId, 'command-line', ALL_PERMISSIONS);
  return {
    close: app.close,
    async createClient(input: NewClient) {
      const { row, secret } = await createClient(app.clients, scope, input);
      return { clientId: row.client_id, secret };
    },
    createUser: (input: NewUser) => createUser(app.users, scope, input),
    recoverAdministrator: (email: string) => recoverAdministrator(app.users, app.rootTenantId, email),
  };
}

/** The second server tried out on a machine is no fault; in production a port that is taken is one. */
async function serveMetrics(config: Config, { metrics }: BuiltApp, log: Logger): Promise<string> {
  try {
    return `http://${config.metricsHost}:${await metrics.listen(config.metricsHost, config.metricsPort)}/metrics`;
  } catch (error) {
    if (config.production || (error as { code?: unknown }).code !== 'EADDRINUSE') throw error;
    log.warn({ port: config.metricsPort }, 'METRICS_PORT is taken: this server shows no metrics');
    return `none: port ${config.metricsPort} is taken, set METRICS_PORT`;
  }
}

/** An issuer's URL by its host. The list is looked through again only where it is another one. */
function issuerByHost(list: () => readonly Issuer[]): (host: string) => string | undefined {
  let known: readonly Issuer[] = [];
  let urls = new Map<string, string>();
  return (host) => {
    const issuers = list();
    if (issuers !== known) {
      known = issuers;
      urls = new Map(issuers.map(({ url }) => [new URL(url).host, url]));
    }
    return urls.get(host);
  };
}

function bannerOf(config: Config, { mails, mailbox, firstSteps }: BuiltApp, metricsUrl: string): string[] {
  const line = (name: string, value: string): string => `${name.padEnd(21)} ${value}`;
  const { issuer } = config;
  return [
    '',
    'Gatehouse is ready.',
    '',
    line('Issuer', issuer),
    line('Discovery', `${issuer}/.well-known/openid-configuration`),
    line('Your account', `${issuer}/account`),
    line('API reference', `${issuer}/docs`),
    ...(config.loopback && !config.production ? [line('Demo application', `${issuer}/demo`)] : []),
    ...(mailbox ? [line('Development mailbox', `${issuer}/dev/mailbox`)] : []),
    line('Metrics', metricsUrl),
    ...(config.databaseUrl === undefined
      ? [
          line(
            'Database',
            'embedded PostgreSQL, for trial and development only, on loopback; the first line of the log says where its data are',
          ),
        ]
      : []),
    ...(mails ? [] : [line('Mail', 'none: SMTP_URL is not set, so registration and password reset are off')]),
    ...firstSteps,
    '',
  ];
}
