import { randomBytes } from 'node:crypto';
import { Type } from '@sinclair/typebox';
import { epochSeconds } from '../../core/clock.ts';
import type { NewFactor } from '../../features/factors/index.ts';
import { type Enrolment, LABEL } from './kind.ts';

const SEED_BYTES = 20;
const PERIOD_SECONDS = 30;
const BASE32 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';

const State = Type.Object({ seed: Type.String() });
const Input = Type.Object({ code: Type.String({ maxLength: 64 }), name: Type.Optional(LABEL) });

/** What is shown once: for a camera, for a keyboard, and for an app on the same device. */
export interface TotpShown {
  /** In groups of four. */
  secret: string;
  uri: string;
  /** A `data:` URL. */
  qr: string;
}

/** An authenticator app, proven by one of its codes. */
export const totpEnrolment: Enrolment<typeof State, typeof Input, TotpShown> = {
  id: 'totp',
  most: 5,
  tries: 5,
  state: State,
  input: Input,

  start: async () => ({ seed: base32(randomBytes(SEED_BYTES)) }),

  async show({ seed }, person, place) {
    const [{ generateURI }, { default: qrcode }] = await Promise.all([import('otplib'), import('qrcode')]);
    // A colon ends the issuer in the label.
    const issuer = place.name.replaceAll(':', ' ').trim() || new URL(place.issuer).hostname;
    const uri = generateURI({ issuer, label: person.login.replaceAll(':', ' '), secret: seed });
    const svg = await qrcode.toString(uri, { type: 'svg', margin: 2, errorCorrectionLevel: 'M' });
    return { secret: seed.replace(/(.{4})(?=.)/g, '$1 '), uri, qr: `data:image/svg+xml;base64,${Buffer.from(svg).toString('base64')}` };
  },

  async finish({ seed }, { code, name }, { now, names }): Promise<NewFactor | undefined> {
    const step = await judgeTotp(seed, code, now);
    // The code that proves the app is used up by it.
    return step === undefined ? undefined : { type: 'totp', name: name || names.totp, data: { lastStep: step }, secret: seed };
  },
};

/** The time step whose code this is: the present one, the one before or the one after. Undefined where it is none of theirs. */
export async function judgeTotp(seed: string, typed: string, now: Date): Promise<number | undefined> {
  const code = typed.replace(/\s+/g, '');
  if (!/^\d{6}$/.test(code)) return undefined;
  const { verify } = await import('otplib');
  const result = await verify({
    secret: seed,
    token: code,
    epoch: epochSeconds(now),
    period: PERIOD_SECONDS,
    epochTolerance: PERIOD_SECONDS,
  });
  return result.valid && 'timeStep' in result ? result.timeStep : undefined;
}

/** RFC 4648 section 6, without padding: 20 bytes fill their last letter. */
function base32(bytes: Buffer): string {
  const bits = [...bytes].map((byte) => byte.toString(2).padStart(8, '0')).join('');
  return (bits.match(/.{5}/g) ?? []).map((five) => BASE32[Number.parseInt(five, 2)]).join('');
}
