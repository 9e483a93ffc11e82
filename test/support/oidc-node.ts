/** A node of an issuer in a process of its own: says where it listens, ends when its parent lets go. */
import type { Database } from '#src/infra/postgres.ts';
import { startIssuer } from './oidc.ts';
import { withLatency, withPlainUpdate } from './slow-database.ts';

export interface NodeSettings {
  databaseUrl: string;
  tenantId: string;
  userId: string;
  issuer: string;
  latencyMs: number;
  plainUpdate: boolean;
}

const settings = JSON.parse(process.argv[2] ?? '{}') as NodeSettings;
const slow = withLatency(settings.latencyMs);
const wrap = settings.plainUpdate ? (db: Database) => slow(withPlainUpdate(db)) : slow;
const node = await startIssuer({ node: settings, issuer: settings.issuer, wrap });
process.send?.({ url: node.url });
process.on('disconnect', () => void node.close().then(() => process.exit(0)));
