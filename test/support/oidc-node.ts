/** A node of an issuer in a process of its own: says where it listens, ends when its parent lets go. */
import { startIssuer } from './oidc.ts';
import { withPlainUpdate } from './plain-update.ts';

export interface NodeSettings {
  databaseUrl: string;
  tenantId: string;
  userId: string;
  issuer: string;
  plainUpdate: boolean;
}

const settings = JSON.parse(process.argv[2] ?? '{}') as NodeSettings;
const wrap = settings.plainUpdate ? { wrap: withPlainUpdate } : {};
const node = await startIssuer({ node: settings, issuer: settings.issuer, ...wrap });
process.send?.({ url: node.url });
process.on('disconnect', () => void node.close().then(() => process.exit(0)));
