import { type Static, Type } from '@sinclair/typebox';
import { TypeCompiler } from '@sinclair/typebox/compiler';
import { sha256 } from '../core/ids.ts';

const Proof = Type.Object({
  methodId: Type.String(),
  factor: Type.Union([Type.Literal('knowledge'), Type.Literal('possession'), Type.Literal('inherence'), Type.Literal('none')]),
  amr: Type.Array(Type.String()),
  /** Seconds since the epoch. */
  at: Type.Integer(),
});

const State = Type.Object({
  accountId: Type.Optional(Type.String()),
  proofs: Type.Array(Proof),
  demands: Type.Array(Type.Union([Type.Literal('verify_email'), Type.Literal('change_password')])),
  /** Methods of a second factor that the account has. */
  secondFactors: Type.Array(Type.String()),
  /** A code is on its way, and what it is for. */
  pending: Type.Optional(Type.Union([Type.Literal('register'), Type.Literal('reset'), Type.Literal('verify')])),
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

export const freshJourney = (id: string): Journey => ({ id, version: 0, ...freshState() });

export function stateOf({ id: _id, version: _version, ...state }: Journey): JourneyState {
  return state;
}

/** The key of a browser's journey: no journey of one issuer exists at another. */
export const journeyIdOf = (issuer: string, interactionUid: string): string => sha256(`journey\n${issuer}\n${interactionUid}`);
