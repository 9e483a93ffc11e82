import { type CryptoKey, exportJWK } from 'jose';
import type { Reply } from '#test/support/app.ts';
import { startOutside } from '../oidc/outside.ts';

export const JWT_BEARER = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';

export const EVIL_ORIGINS = ['https://evil.test', 'null', 'https://spa.test.evil.test', 'http://spa.test', 'https://spa.test:8443'];

/** What strangers try, beside `startOutside`; `close` ends it. */
export async function startHygiene() {
  const outside = await startOutside();
  return {
    ...outside,
    errorOf: ({ body }: Reply): unknown => body['error'],
    async importAs(alg: string): Promise<CryptoKey> {
      const jwk = await exportJWK(outside.key);
      const { importJWK } = await import('jose');
      return (await importJWK({ ...jwk, alg }, alg)) as CryptoKey;
    },
    close: () => outside.app.close(),
  };
}
export type Hygiene = Awaited<ReturnType<typeof startHygiene>>;
