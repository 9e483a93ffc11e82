import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { skip } from './skip.ts';

// The system's own: a Python that shadows it seldom has the distribution's packages.
const PYTHON = '/usr/bin/python3';
const SCRIPT = fileURLToPath(new URL('../clients/relying-party.py', import.meta.url));

export interface AuthlibSettings {
  issuer: string;
  client_id: string;
  client_secret: string;
  redirect_uri: string;
}

export interface AuthlibResult {
  claims: Record<string, unknown>;
  userinfo: Record<string, unknown>;
  userinfoAfterRefresh: Record<string, unknown>;
  rotated: boolean;
  active: boolean;
  revocation: number;
  activeAfterRevocation: boolean;
}

/** Leaves out the running suite, with a printed reason, where the machine has no Python with Authlib and requests. */
export function needAuthlib(context: Mocha.Context): void {
  try {
    execFileSync(PYTHON, ['-c', 'import authlib, requests'], { stdio: 'ignore' });
  } catch {
    skip(context, 'no Python with Authlib on this machine (Debian: python3-authlib python3-requests)');
  }
}

/** Runs the relying party; `browse` goes to its authorization URL and answers where the browser was sent back to. */
export async function runAuthlib(settings: AuthlibSettings, browse: (url: string) => Promise<string>): Promise<AuthlibResult> {
  const child = spawn(PYTHON, [SCRIPT, JSON.stringify(settings)], {
    env: { ...process.env, AUTHLIB_INSECURE_TRANSPORT: '1', PYTHONWARNINGS: 'ignore' },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let complaints = '';
  child.stderr.on('data', (chunk: Buffer) => {
    complaints += String(chunk);
  });
  try {
    const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
    const next = async (): Promise<unknown> => {
      const line = await lines.next();
      if (line.done) throw new Error(`the relying party ended early:\n${complaints}`);
      return JSON.parse(line.value);
    };
    const { url } = (await next()) as { url: string };
    child.stdin.write(`${await browse(url)}\n`);
    return (await next()) as AuthlibResult;
  } finally {
    await stop(child);
  }
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.stdin?.destroy();
  const cut = setTimeout(() => child.kill('SIGKILL'), 2000);
  await ended;
  clearTimeout(cut);
}
