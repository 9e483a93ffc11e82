import { systemClock } from '#src/core/clock.ts';
import { createSecretBox } from '#src/infra/secret-box.ts';
import { createAdapter } from '#src/oidc/adapter.ts';
import { itIsAnOidcAdapter } from '#test/contract/oidc-adapter.ts';
import { startIssuer } from '#test/support/oidc.ts';

describe('PostgreSQL', () => {
  itIsAnOidcAdapter(async () => {
    const issuer = await startIssuer();
    await issuer.addClient('app');
    const box = createSecretBox([Buffer.alloc(32, 1)]);
    const adaptersOf = (url: string) => createAdapter({ db: issuer.db, box, clock: systemClock, issuer: url, graceSeconds: 10 });
    return {
      adapters: adaptersOf('https://one.test'),
      other: adaptersOf('https://two.test'),
      clientId: 'app',
      userId: issuer.userId,
      close: () => issuer.close(),
    };
  });
});
