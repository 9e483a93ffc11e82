/** What a server in a process of its own is told, on ports that nobody has. */
import { randomBytes } from 'node:crypto';
import { freePort, MANAGER } from './app.ts';

export async function environmentOf(databaseUrl: string, dataDir: string): Promise<{ port: number; env: Record<string, string> }> {
  const [port, metricsPort] = [await freePort(), await freePort()];
  const env = {
    PATH: process.env['PATH'] ?? '',
    NODE_ENV: 'test',
    PORT: String(port),
    METRICS_PORT: String(metricsPort),
    DATA_DIR: dataDir,
    DATABASE_URL: databaseUrl,
    ENCRYPTION_KEY: randomBytes(32).toString('base64'),
    TRUSTED_PROXIES: '127.0.0.0/8,::1/128',
    BOOTSTRAP_CLIENT_ID: MANAGER.id,
    BOOTSTRAP_CLIENT_SECRET: MANAGER.secret,
  };
  return { port, env };
}
