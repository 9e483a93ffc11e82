import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { skip } from './skip.ts';

const PROGRAM = ['/usr/sbin/apache2', '/usr/sbin/httpd'].find(existsSync);
const MODULES = ['/usr/lib/apache2/modules', '/usr/lib64/httpd/modules', '/usr/libexec/apache2'].find((folder) =>
  existsSync(path.join(folder, 'mod_auth_openidc.so')),
);
const NEEDED = ['mpm_event', 'authn_core', 'authz_core', 'authz_user', 'dir', 'include', 'filter', 'auth_openidc'];
/** What the protected page shows, by the names mod_auth_openidc gives to claims. */
const SHOWN = ['sub', 'email', 'name', 'iss', 'acr'];

export interface ApacheOptions {
  port: number;
  issuer: string;
  clientId: string;
  clientSecret: string;
}

export interface Apache {
  /** `/protected/` shows the claims, one `name=value` a line. */
  url: string;
  /** What it wrote into its error log. */
  log(): Promise<string>;
  stop(): Promise<void>;
}

/** Where mod_auth_openidc takes the answer; to be registered before Apache starts. */
export const apacheRedirectUri = (port: number): string => `http://localhost:${port}/protected/redirect_uri`;

/** Leaves out the running suite, with a printed reason, where the machine has no Apache or not the module. */
export function needApache(context: Mocha.Context): void {
  if (!PROGRAM) skip(context, 'no Apache on this machine (Debian: apache2)');
  if (!MODULES) skip(context, 'no mod_auth_openidc on this machine (Debian: libapache2-mod-auth-openidc)');
}

/** The distribution's Apache with the distribution's mod_auth_openidc, in a process of its own. */
export async function startApache(options: ApacheOptions): Promise<Apache> {
  const home = await mkdtemp(path.join(tmpdir(), 'gatehouse-apache-'));
  await chmod(home, 0o755);
  await mkdir(path.join(home, 'pages/protected'), { recursive: true });
  await writeFile(
    path.join(home, 'pages/protected/index.shtml'),
    SHOWN.map((claim) => `${claim}=<!--#echo var="OIDC_CLAIM_${claim}" -->\n`).join(''),
  );
  await writeFile(path.join(home, 'apache.conf'), configuration(home, options));
  const child = spawn(PROGRAM!, ['-X', '-f', path.join(home, 'apache.conf')], { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += String(chunk)));
  child.stderr.on('data', (chunk: Buffer) => (output += String(chunk)));
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const log = (): Promise<string> => readFile(path.join(home, 'error.log'), 'utf8').catch(() => '');
  const apache: Apache = {
    url: `http://localhost:${options.port}`,
    log,
    async stop() {
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM');
      const cut = setTimeout(() => child.kill('SIGKILL'), 5000);
      await ended;
      clearTimeout(cut);
      await rm(home, { recursive: true, force: true });
    },
  };
  for (let attempt = 0; attempt < 200; attempt += 1) {
    if (child.exitCode !== null) break;
    if (
      await fetch(`${apache.url}/nothing`).then(
        () => true,
        () => false,
      )
    )
      return apache;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const said = `${output}${await log()}`;
  await apache.stop();
  throw new Error(`Apache did not start:\n${said}`);
}

function configuration(home: string, { port, issuer, clientId, clientSecret }: ApacheOptions): string {
  const account = process.getuid?.() === 0 ? 'User www-data\nGroup www-data\n' : '';
  return `ServerRoot ${home}
DefaultRuntimeDir ${home}
PidFile ${home}/pid
ServerName localhost:${port}
Listen localhost:${port}
ErrorLog ${home}/error.log
LogLevel warn
${NEEDED.map((name) => `LoadModule ${name}_module ${MODULES}/mod_${name}.so`).join('\n')}
${account}DocumentRoot ${home}/pages

OIDCProviderMetadataURL ${issuer}/.well-known/openid-configuration
OIDCSSLValidateServer Off
OIDCClientID ${clientId}
OIDCClientSecret ${clientSecret}
OIDCRedirectURI ${apacheRedirectUri(port)}
OIDCCryptoPassphrase ${randomBytes(24).toString('hex')}
OIDCPKCEMethod S256
OIDCScope "openid profile email"
OIDCRemoteUserClaim sub

<Location /protected>
  AuthType openid-connect
  Require valid-user
</Location>
<Directory ${home}/pages>
  Options +Includes
  DirectoryIndex index.shtml
  <Files "*.shtml">
    SetOutputFilter INCLUDES
    ForceType text/plain
  </Files>
</Directory>
`;
}
