#!/usr/bin/env node
/** The `gatehouse` command: what is done on the server itself, by who runs it. */
import { Command, InvalidArgumentError } from 'commander';
import { type Config, ConfigError, loadConfig } from './config.ts';
import { AppError } from './core/errors.ts';
import type { NewClient } from './features/clients/schema.ts';
import type { NewUser } from './features/users/index.ts';
import { createLogger } from './infra/log.ts';
import { isMailAddress } from './infra/mail-address.ts';

const EX_CONFIG = 78;

/** What the commands need of the application, which app.ts opens without listening to anybody. */
interface Tools {
  createClient(input: NewClient): Promise<{ clientId: string; secret: string | undefined }>;
  createUser(input: NewUser): Promise<{ id: string }>;
  recoverAdministrator(email: string): Promise<{ userId: string; password: string }>;
  close(): Promise<void>;
}

const program = new Command('gatehouse')
  .description('Runs a Gatehouse server from its own machine. Settings are those of the server: see README.md.')
  .showHelpAfterError();

program
  .command('migrate')
  .description('bring the database up to date')
  .option('--down', 'take every migration back: ALL DATA is lost')
  .option('--yes', 'do not ask; required with --down')
  .action(async ({ down, yes }: { down?: true; yes?: true }) => {
    if (down && !yes) program.error('--down deletes all data; add --yes if that is what you want');
    await withDatabase(async (url) => {
      const { migrate, migrateDown } = await import('./infra/migrate.ts');
      if (down) {
        await migrateDown(url);
        print('every migration was taken back');
        return;
      }
      const ran = await migrate(url);
      print(ran.length > 0 ? ran.map((name) => `migrated ${name}`).join('\n') : 'nothing to do');
    });
  });

const list = (value: string, before: string[] = []): string[] => [...before, value];
const address = (value: string): string => {
  if (!isMailAddress(value)) throw new InvalidArgumentError('not an e-mail address');
  return value;
};

interface ClientOptions {
  name: string;
  id?: string;
  redirectUri?: string[];
  postLogoutRedirectUri?: string[];
  allowedOrigin?: string[];
  grant?: ('authorization_code' | 'refresh_token' | 'client_credentials')[];
  public?: true;
  firstParty?: true;
  directLogin?: true;
  permission?: string[];
}

program
  .command('client')
  .description('applications')
  .command('create')
  .description('register an application; prints its id and, once, its secret')
  .requiredOption('--name <name>', 'what people see')
  .option('--id <client_id>', 'a random one where nothing is said')
  .option('--redirect-uri <uri>', 'may be given several times', list)
  .option('--post-logout-redirect-uri <uri>', 'may be given several times', list)
  .option('--allowed-origin <origin>', 'of pages that call the token endpoint from a browser; may be given several times', list)
  .option('--grant <type>', 'may be given several times; authorization_code and refresh_token where nothing is said', list)
  .option('--public', 'without a secret: for browsers and phones')
  .option('--first-party', 'of the same organisation: no consent page')
  .option('--direct-login', 'may send passwords and codes to the API itself')
  .option('--permission <permission>', 'of the management API; may be given several times', list)
  .action((options: ClientOptions) =>
    withTools(async (tools) => {
      const { clientId, secret } = await tools.createClient(clientOf(options));
      print(JSON.stringify({ client_id: clientId, ...(secret === undefined ? {} : { client_secret: secret }) }, null, 2));
    }),
  );

function clientOf(options: ClientOptions): NewClient {
  const isMachine = options.grant?.every((grant) => grant === 'client_credentials') ?? false;
  return {
    client_name: options.name,
    grant_types: options.grant ?? ['authorization_code', 'refresh_token'],
    response_types: isMachine ? [] : ['code'],
    redirect_uris: options.redirectUri ?? [],
    token_endpoint_auth_method: options.public ? 'none' : 'client_secret_basic',
    ...(options.id === undefined ? {} : { client_id: options.id }),
    ...(options.postLogoutRedirectUri === undefined ? {} : { post_logout_redirect_uris: options.postLogoutRedirectUri }),
    ...(options.allowedOrigin === undefined ? {} : { allowed_origins: options.allowedOrigin }),
    ...(options.firstParty ? { first_party: true } : {}),
    ...(options.directLogin ? { direct_login: true } : {}),
    ...(options.permission === undefined ? {} : { permissions: options.permission as NonNullable<NewClient['permissions']> }),
  };
}

interface UserOptions {
  email?: string;
  username?: string;
  givenName?: string;
  familyName?: string;
  passwordStdin?: true;
}

program
  .command('user')
  .description('people')
  .command('create')
  .description('create a person; prints their id')
  .option('--email <address>', 'counts as verified', address)
  .option('--username <name>')
  .option('--given-name <name>')
  .option('--family-name <name>')
  .option('--password-stdin', 'read a password, to be changed at the first sign-in, from standard input')
  .action((options: UserOptions) =>
    withTools(async (tools) => {
      const { email, username, givenName, familyName, passwordStdin } = options;
      const password = passwordStdin ? (await readStdin()).replace(/\r?\n$/, '') : undefined;
      const { id } = await tools.createUser({
        ...(email === undefined ? {} : { email, emailVerified: true }),
        ...(username === undefined ? {} : { username }),
        ...(givenName === undefined ? {} : { givenName }),
        ...(familyName === undefined ? {} : { familyName }),
        ...(password === undefined ? {} : { password, passwordMustChange: true }),
      });
      print(JSON.stringify({ id }));
    }),
  );

program
  .command('admin')
  .description('administrators of the installation')
  .command('recover')
  .description('make this person an administrator and print a new password, to be changed at the first sign-in')
  .argument('<email>', '', address)
  .action((email: string) =>
    withTools(async (tools) => {
      const { password } = await tools.recoverAdministrator(email);
      print(`${email} is an administrator again.\nPassword, to be changed at the first sign-in: ${password}`);
    }),
  );

const print = (text: string): void => console.log(text);

async function readStdin(): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of process.stdin) parts.push(part as Buffer);
  return Buffer.concat(parts).toString('utf8');
}

/** Runs `work` as the owner of the database that is set, or of the embedded one. */
async function withDatabase(work: (url: string) => Promise<void>): Promise<void> {
  const { migrationDatabaseUrl, databaseUrl, dataDir }: Config = loadConfig(process.env);
  const url = migrationDatabaseUrl ?? databaseUrl;
  if (url !== undefined) return work(url);
  const { startEmbeddedPostgres } = await import('./infra/embedded-postgres.ts');
  const database = await startEmbeddedPostgres({ dataDir });
  try {
    await work(database.connectionString);
  } finally {
    await database.stop();
  }
}

async function withTools(work: (tools: Tools) => Promise<void>): Promise<void> {
  const config = loadConfig(process.env);
  const { openTools } = await import('./app.ts');
  const tools: Tools = await openTools(config, { log: createLogger({ level: 'error' }) });
  try {
    await work(tools);
  } finally {
    await tools.close();
  }
}

/** What went wrong, for a person at a terminal. */
function explain(error: unknown): string {
  if (error instanceof AppError) {
    const fields = (error.errors ?? []).map(({ pointer, message }) => `  ${pointer} ${message}`);
    return [`${error.message}${error.detail ? `: ${error.detail}` : ''} (${error.code})`, ...fields].join('\n');
  }
  return error instanceof Error ? error.message : String(error);
}

try {
  await program.parseAsync();
} catch (error) {
  console.error(explain(error));
  process.exitCode = error instanceof ConfigError ? EX_CONFIG : 1;
}
