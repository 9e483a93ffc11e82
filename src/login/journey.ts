import { type Static, Type } from '@sinclair/typebox';
import { TypeCompiler } from '@sinclair/typebox/compiler';
import { sha256 } from '../core/ids.ts';

const Proof = Type.Object({
  methodId: Type.String(),
  factor: Type.Union([Type.Literal('knowledge'), Type.Literal('possession'), Type.Literal('inherence'), Type.Literal('none')]),
  amr: Type.Array(Type.String()),
  /** Seconds since the epoch. */
  at: Type.Integer(),
  /** What was had, where that is not the method alone. */
  means: Type.Optional(Type.String()),
  /** Phishing resistant, and two factors by itself. */
  strong: Type.Optional(Type.Boolean()),
  /** Two factors by itself: another provider has asked for both. */
  double: Type.Optional(Type.Boolean()),
});
export type Proof = Static<typeof Proof>;

/** What a method began, sealed, and until when it is worth anything, in seconds since the epoch. */
const Begun = Type.Object({ sealed: Type.String(), until: Type.Integer() });

const State = Type.Object({
  accountId: Type.Optional(Type.String()),
  proofs: Type.Array(Proof),
  demands: Type.Array(Type.Union([Type.Literal('accept_terms'), Type.Literal('verify_email'), Type.Literal('change_password')])),
  /** Methods that can be a second factor of the account. */
  secondFactors: Type.Array(Type.String()),
  /** The account has a second factor that is always asked for; where nothing is said, any that it has is. */
  asked: Type.Optional(Type.Boolean()),
  /** The method that was chosen among those that are offered. */
  chosen: Type.Optional(Type.String()),
  /** By the method's id. */
  begun: Type.Optional(Type.Record(Type.String(), Begun)),
  /** The least assurance that policy asks of this account, an `acr` value of ours. */
  required: Type.Optional(Type.String()),
  /** A code is on its way, and what it is for. */
  pending: Type.Optional(Type.Union([Type.Literal('register'), Type.Literal('reset'), Type.Literal('verify')])),
  /** An identity at another provider that is linked to its account once that is proven, sealed. */
  link: Type.Optional(Type.String()),
  /** The provider that the person came by, sealed for their session. */
  upstream: Type.Optional(Type.String()),
  /** What a registration or reset has to remember, sealed, base64. */
  sealed: Type.Optional(Type.String()),
});

/** Where a sign-in stands. The browser and the client hold a random name of it and nothing else. */
export type JourneyState = Static<typeof State>;

export interface Journey extends JourneyState {
  id: string;
  /** 0 while it is not stored; every write asks for the version it read. */
  version: number;
}

const check = TypeCompiler.Compile(State);

/** The stored state; undefined where it is none, so that the journey begins again. */
export const parseState = (state: unknown): JourneyState | undefined => (check.Check(state) ? state : undefined);

export const freshState = (): JourneyState => ({ proofs: [], demands: [], secondFactors: [] });

/** The beginning, where somebody begins again; what waits for the proof of an account goes on waiting. */
export const begunAgain = ({ id, version, link }: Journey): Journey => ({
  id,
  version,
  ...freshState(),
  ...(link === undefined ? {} : { link }),
});

export const freshJourney = (id: string): Journey => ({ id, version: 0, ...freshState() });

export function stateOf({ id: _id, version: _version, ...state }: Journey): JourneyState {
  return state;
}

/** The key of a browser's journey: no journey of one issuer exists at another. */
export const journeyIdOf = (issuer: string, interactionUid: string): string => sha256(`journey\n${issuer}\n${interactionUid}`);
