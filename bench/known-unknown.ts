/**
 * `npm run bench:known`: whether the time an answer takes tells if an account exists, with a mail server that takes three seconds over everything. Prints medians
 * of 60 samples each at every door, known and unknown in turn, and repeats with 200 where they differ by more than 15 %.
 */
import type { AddressInfo } from 'node:net';
import { SMTPServer } from 'smtp-server';
import { basicAuth, newAddress, type RunningApp, startTestApp } from '#test/support/app.ts';
import { stopTestCluster } from '#test/support/database.ts';
import { median } from './load.ts';

const [SAMPLES, AGAIN, BOUND] = [60, 200, 0.15];
const PASSWORD = 'violet cactus thunder marble';

const slowly = (_: unknown, __: unknown, done: () => void): void => void setTimeout(done, 3000);
const smtp = new SMTPServer({ authOptional: true, disabledCommands: ['STARTTLS', 'AUTH'], onMailFrom: slowly, onRcptTo: slowly });
await new Promise<void>((resolve) => smtp.listen(0, '127.0.0.1', resolve));
const { port } = smtp.server.address() as AddressInfo;
const app = await startTestApp({ env: { SMTP_URL: `smtp://127.0.0.1:${port}`, MAIL_FROM: 'bench@example.test', LOG_LEVEL: 'error' } });

try {
  const client = await makeClient(app);
  const people = SAMPLES + AGAIN;
  for (let n = 0; n < people; n += 1) {
    const made = await app.api('POST', '/api/users', { email: known(n), emailVerified: true, password: PASSWORD });
    if (made.status !== 201) throw new Error(made.text);
  }
  const doors: Record<string, (email: string) => Promise<number>> = {
    'sign-in, wrong password': (email) => ask('/api/auth/login', { username: email, password: 'not the right one' }),
    'a code by mail': (email) => ask('/api/auth/otp', { channel: 'email', to: email }),
    'password reset': (email) => ask('/api/auth/password/reset', { email }),
    registration: (email) => ask('/api/auth/register', { email, password: PASSWORD, givenName: 'Ada', familyName: 'Lovelace' }),
  };
  console.log('door                      known ms  unknown ms  difference');
  for (const [name, door] of Object.entries(doors)) {
    for (let n = 0; n < 10; n += 1) await door(`warm.up.${n}@example.test`);
    let found = await compare(door, SAMPLES, 0);
    if (Math.abs(found.difference) > BOUND) found = await compare(door, AGAIN, SAMPLES);
    const verdict = Math.abs(found.difference) > BOUND ? `  over ${BOUND * 100} %` : '';
    const [left, right] = [found.known.toFixed(1).padStart(8), found.unknown.toFixed(1).padStart(11)];
    console.log(`${name.padEnd(25)} ${left} ${right} ${`${(found.difference * 100).toFixed(1)} %`.padStart(11)}${verdict}`);
  }

  async function ask(path: string, body: object): Promise<number> {
    const started = performance.now();
    const { status } = await app.api('POST', path, body, { ...basicAuth(client), 'x-forwarded-for': newAddress() });
    if (status >= 500 || status === 429) throw new Error(`${path}: ${status}`);
    return performance.now() - started;
  }
} finally {
  await app.close();
  await stopTestCluster();
  smtp.close();
}
process.exit();

function known(n: number): string {
  return `known.${n}@example.test`;
}

async function compare(door: (email: string) => Promise<number>, samples: number, from: number) {
  const times = { known: [] as number[], unknown: [] as number[] };
  for (let n = from; n < from + samples; n += 1) {
    times.known.push(await door(known(n)));
    times.unknown.push(await door(`nobody.${n}@example.test`));
  }
  const [left, right] = [median(times.known), median(times.unknown)];
  return { known: left, unknown: right, difference: left / right - 1 };
}

async function makeClient(server: RunningApp): Promise<{ id: string; secret: string }> {
  const made = await server.api('POST', '/api/clients', {
    client_name: 'Bench',
    redirect_uris: ['https://app.test/cb'],
    grant_types: ['authorization_code', 'refresh_token'],
    direct_login: true,
    first_party: true,
  });
  if (made.status !== 201) throw new Error(made.text);
  return { id: String(made.body['client_id']), secret: String(made.body['client_secret']) };
}
