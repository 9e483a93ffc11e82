/**
 * What the demo remembers of a browser lies sealed in the browser's own cookie: nothing is kept here, so that several processes behind
 * one port serve it alike. A cookie holds some 4,000 bytes; the tokens of one sign-in sealed are about 2,000.
 */
import { type Static, type TSchema, Type } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import type { Context } from 'koa';
import { addSeconds, type Clock } from '../core/clock.ts';

/** Authenticated encryption; `open` throws where the value is not one it sealed for this `context`. */
export interface Sealer {
  seal(plain: string, context: string): Buffer;
  open(sealed: Buffer, context: string): Buffer;
}

export const FLOW = Type.Object({ state: Type.String(), nonce: Type.String(), verifier: Type.String() });

export const SIGNED_IN = Type.Object({
  /** Random; the page's forms are bound to it. */
  id: Type.String(),
  /** As the userinfo endpoint said at the sign-in. */
  name: Type.String(),
  idToken: Type.String(),
  accessToken: Type.String(),
  refreshToken: Type.Optional(Type.Union([Type.String(), Type.Undefined()])),
  scope: Type.Optional(Type.Union([Type.String(), Type.Undefined()])),
});
export type SignedIn = Static<typeof SIGNED_IN>;

export interface CookieOptions {
  name: string;
  path: string;
  maxAgeSeconds: number;
  secure: boolean;
}

export interface SealedCookie<T> {
  /** Undefined where there is none, or it is not ours, damaged or too old. */
  read(ctx: Context): T | undefined;
  write(ctx: Context, value: T): void;
  clear(ctx: Context): void;
}

const ENVELOPE = Type.Object({ until: Type.Number(), value: Type.Unknown() });
const LONGEST = 4000;

/** A cookie that only this server reads or writes: sealed, HttpOnly, SameSite=Lax (the way back is a navigation from the provider). */
export function sealedCookie<S extends TSchema>(
  deps: { box: Sealer; clock: Clock },
  schema: S,
  { name, path, maxAgeSeconds, secure }: CookieOptions,
): SealedCookie<Static<S>> {
  const context = `demo-cookie:${name}`;
  const attributes = { path, httpOnly: true, sameSite: 'lax', secure, signed: false, overwrite: true } as const;
  return {
    read(ctx) {
      const text = ctx.cookies.get(name, { signed: false });
      if (text === undefined || text.length > LONGEST) return undefined;
      const found = openJson(deps.box, text, context);
      if (!Value.Check(ENVELOPE, found) || found.until <= deps.clock.now().getTime()) return undefined;
      return Value.Check(schema, found.value) ? found.value : undefined;
    },
    write(ctx, value) {
      const until = addSeconds(deps.clock.now(), maxAgeSeconds);
      const text = deps.box.seal(JSON.stringify({ until: until.getTime(), value }), context).toString('base64url');
      // A browser would drop it without a word, and the next page would not know why.
      if (text.length > LONGEST) throw new Error(`the cookie ${name} would have ${text.length} bytes`);
      ctx.cookies.set(name, text, { ...attributes, maxAge: maxAgeSeconds * 1000 });
    },
    clear(ctx) {
      ctx.cookies.set(name, null, attributes);
    },
  };
}

function openJson(box: Sealer, text: string, context: string): unknown {
  try {
    return JSON.parse(box.open(Buffer.from(text, 'base64url'), context).toString('utf8'));
  } catch {
    return undefined;
  }
}
