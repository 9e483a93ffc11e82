import { type Static, type TSchema, Type } from '@sinclair/typebox';
import type { NewFactor } from '../../features/factors/index.ts';

/** Who enrols something, as authenticators and apps will show it. */
export interface Enrolling {
  id: string;
  /** An address or a user name. */
  login: string;
  /** What people call them; the login where nothing is known. */
  name: string;
  /** Ids of the passkeys there are. */
  passkeys: readonly { id: string; transports: readonly string[] }[];
}

export interface Place {
  issuer: string;
  /** Of the tenant, as people know it. */
  name: string;
}

export interface Finishing {
  now: Date;
  issuer: string;
  /** What a factor is called that nobody gave a name, in the person's language. */
  names: { totp: string; passkey: string };
}

/** What people call a factor of theirs. */
export const LABEL = Type.String({ minLength: 1, maxLength: 60, pattern: '^[^\\u0000-\\u001f\\u007f\\u2028\\u2029]+$' });

/** How one kind of factor comes to belong to a person. `start` and `finish` judge and make; what is kept, and how long, is the caller's. */
export interface Enrolment<State extends TSchema = TSchema, Input extends TSchema = TSchema, Shown = unknown> {
  id: 'totp' | 'passkey';
  /** How many a person may have. */
  most: number;
  /** How often the proof may be tried. */
  tries: number;
  state: State;
  input: Input;
  start(person: Enrolling, place: Place): Promise<Static<State>>;
  /** What the person, the browser or the caller needs for it; the same however often it is asked. */
  show(state: Static<State>, person: Enrolling, place: Place): Promise<Shown>;
  /** Undefined where it is not proven. */
  finish(state: Static<State>, input: Static<Input>, finishing: Finishing): Promise<NewFactor | undefined>;
}
