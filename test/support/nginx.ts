import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { skip } from './skip.ts';

const PROGRAM = ['/usr/sbin/nginx', '/usr/bin/nginx', '/usr/local/sbin/nginx'].find(existsSync);

export interface NginxOptions {
  port: number;
  /** Where Gatehouse listens. */
  upstream: string;
  /** PEM files: what the server shows, and whose clients' certificates it trusts. */
  certificate: string;
  key: string;
  authority: string;
}

export interface Nginx {
  /** What it wrote into its error log. */
  log(): Promise<string>;
  stop(): Promise<void>;
}

/** Leaves out the running suite, with a printed reason, where the machine has no nginx. */
export function needNginx(context: Mocha.Context): void {
  if (!PROGRAM) skip(context, 'no nginx on this machine (Debian: nginx-light)');
}

/** The distribution's nginx, which ends TLS and hands clients' certificates on, as docs/operations.md has it. */
export async function startNginx(options: NginxOptions): Promise<Nginx> {
  const home = await mkdtemp(path.join(tmpdir(), 'gatehouse-nginx-'));
  await chmod(home, 0o755);
  await writeFile(path.join(home, 'nginx.conf'), configuration(home, options));
  const child = spawn(PROGRAM!, ['-p', home, '-c', path.join(home, 'nginx.conf'), '-e', path.join(home, 'error.log')], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += String(chunk)));
  child.stderr.on('data', (chunk: Buffer) => (output += String(chunk)));
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const log = (): Promise<string> => readFile(path.join(home, 'error.log'), 'utf8').catch(() => '');
  const stop = async (): Promise<void> => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM');
    const cut = setTimeout(() => child.kill('SIGKILL'), 5000);
    await ended;
    clearTimeout(cut);
    await rm(home, { recursive: true, force: true });
  };
  for (let attempt = 0; attempt < 200 && child.exitCode === null; attempt += 1) {
    if (await answers(options.port)) return { log, stop };
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const said = `${output}${await log()}`;
  await stop();
  throw new Error(`nginx did not start:\n${said}`);
}

const answers = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port })
      .once('connect', () => {
        socket.destroy();
        resolve(true);
      })
      .once('error', () => resolve(false));
  });

const configuration = (home: string, { port, upstream, certificate, key, authority }: NginxOptions): string => `
daemon off;
master_process off;
worker_processes 1;
pid ${home}/pid;
events { worker_connections 64; }
http {
  access_log off;
  client_body_temp_path ${home}/body;
  proxy_temp_path ${home}/proxy;
  fastcgi_temp_path ${home}/fastcgi;
  uwsgi_temp_path ${home}/uwsgi;
  scgi_temp_path ${home}/scgi;
  server {
    listen 127.0.0.1:${port} ssl;
    ssl_certificate ${certificate};
    ssl_certificate_key ${key};
    ssl_client_certificate ${authority};
    ssl_verify_client optional_no_ca;
    location / {
      proxy_pass ${upstream};
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header X-Forwarded-Host $http_host;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header Client-Cert $ssl_client_escaped_cert;
      proxy_set_header X-SSL-Client-Verify $ssl_client_verify;
    }
  }
}
`;
