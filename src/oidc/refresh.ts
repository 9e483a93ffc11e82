/**
 * Refresh tokens rotate, and a repeated refresh within a few seconds gets the same answer again: parallel tabs and lost answers sign nobody out.
 * The answer lies sealed beside the used token; opening it takes the server's key and the token itself.
 */
import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto';
import { calculateJwkThumbprint, decodeProtectedHeader } from 'jose';
import type { KoaContextWithOIDC } from 'oidc-provider';
import { type Clock, epochSeconds } from '../core/clock.ts';
import type { SecretBox } from '../infra/secret-box.ts';
import { shownThumbprint } from './certificates.ts';
import { recordOf } from './client-models.ts';
import { redeemTenant, type TenantChoiceDeps } from './tenant-choice.ts';
import { type Replay, units } from './unit-of-work.ts';

export interface TokenResponse {
  access_token: string;
  refresh_token?: string;
  id_token?: string;
  expires_in: number;
  scope?: string;
  token_type: string;
}

export interface RefreshDeps {
  box: Pick<SecretBox, 'mac' | 'macAll'>;
  clock: Clock;
}

const CONTEXT = 'refresh-replay';
const IV_BYTES = 12;
const TAG_BYTES = 16;

/** Thrown out of the library's handler, after all of its checks, where the request repeats one that was answered a moment ago. */
export class Replayed extends Error {
  readonly replay: Replay;

  constructor(replay: Replay) {
    super('answered before');
    this.replay = replay;
  }
}

/**
 * `rotateRefreshToken`: the library calls it after every check of a refresh and before it signs anything, so that this is where the tenant is
 * judged; a refresh that is refused for it burns no token.
 */
export const rotateWith =
  (deps: TenantChoiceDeps) =>
  async (ctx: KoaContextWithOIDC): Promise<boolean> => {
    const { RefreshToken: presented, Account: account } = ctx.oidc.entities;
    if (presented) await redeemTenant(deps, ctx, presented, account);
    if (ctx.oidc.client && recordOf(ctx.oidc.client).profile === 'fapi2') return false; // sender-constrained: FAPI 2.0 section 5.3.2.1 forbids rotation
    const unit = units.getStore();
    if (!unit?.replay) return true;
    if (unit.replay.key === (await fingerprint(ctx))) throw new Replayed(unit.replay);
    unit.joined = true;
    return false;
  };

/** What must be equal for two refresh requests to be one: client, parameters, proof-of-possession key or certificate. */
export async function fingerprint(ctx: KoaContextWithOIDC): Promise<string> {
  const { client, params, entities } = ctx.oidc;
  const proof = ctx.get('DPoP');
  const bindsToCertificate = client?.tlsClientCertificateBoundAccessTokens || entities.RefreshToken?.['x5t#S256'] !== undefined;
  const jwk = proof ? decodeProtectedHeader(proof).jwk : undefined;
  const told = [
    client?.clientId,
    params?.['scope'] ?? null,
    [params?.['resource'] ?? []].flat().sort(),
    params?.['tenant'] ?? null,
    jwk ? await calculateJwkThumbprint(jwk) : null,
    bindsToCertificate ? (shownThumbprint() ?? null) : null,
  ];
  return createHash('sha256').update(JSON.stringify(told)).digest('base64url');
}

/** Seals the answer to a refresh for whoever shows the same refresh token. */
export function sealAnswer({ box, clock }: RefreshDeps, body: TokenResponse, refreshToken: string): Buffer {
  const iv = randomBytes(IV_BYTES);
  const cipher = createCipheriv('aes-256-gcm', Buffer.from(box.mac(CONTEXT, refreshToken), 'base64url'), iv);
  const sealed = Buffer.concat([cipher.update(JSON.stringify({ at: epochSeconds(clock.now()), body }), 'utf8'), cipher.final()]);
  return Buffer.concat([iv, cipher.getAuthTag(), sealed]);
}

/** The sealed answer, its lifetime less what has passed since. Throws where the token is another or no configured key opens it. */
export function openAnswer({ box, clock }: RefreshDeps, sealed: Buffer, refreshToken: string): TokenResponse {
  let failure: unknown = new Error('no key');
  for (const key of box.macAll(CONTEXT, refreshToken)) {
    try {
      const decipher = createDecipheriv('aes-256-gcm', Buffer.from(key, 'base64url'), sealed.subarray(0, IV_BYTES), {
        authTagLength: TAG_BYTES,
      });
      decipher.setAuthTag(sealed.subarray(IV_BYTES, IV_BYTES + TAG_BYTES));
      const text = Buffer.concat([decipher.update(sealed.subarray(IV_BYTES + TAG_BYTES)), decipher.final()]).toString('utf8');
      const { at, body } = JSON.parse(text) as { at: number; body: TokenResponse };
      return { ...body, expires_in: Math.max(1, body.expires_in - (epochSeconds(clock.now()) - at)) };
    } catch (error) {
      failure = error;
    }
  }
  throw failure;
}
