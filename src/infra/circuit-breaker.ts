/** Keeps a service that is slow or away from making everything slow: after some failures it is not asked for a while, then tried with one question. */
import CircuitBreaker from 'opossum';

export type BreakerState = 'closed' | 'half_open' | 'open';

export interface Breaker<Input, Output> {
  /** Throws what `ask` threw, or an error of its own where it took too long or is not asked now. */
  ask(input: Input): Promise<Output>;
  state(): BreakerState;
  close(): void;
}

export interface BreakerOptions {
  timeoutMs: number;
  /** How long it is left alone. */
  restMs?: number;
  /** Half of at least so many within ten seconds have to fail. */
  least?: number;
  onChange?(state: BreakerState): void;
}

/** `ask` is given a signal that ends with the time it has. */
export function createBreaker<Input, Output>(
  ask: (input: Input, signal: AbortSignal) => Promise<Output>,
  { timeoutMs, restMs = 30_000, least = 3, onChange }: BreakerOptions,
): Breaker<Input, Output> {
  const breaker = new CircuitBreaker((input: Input) => ask(input, AbortSignal.timeout(timeoutMs)), {
    timeout: timeoutMs + 100,
    resetTimeout: restMs,
    errorThresholdPercentage: 50,
    volumeThreshold: least,
    rollingCountTimeout: 10_000,
  });
  const state = (): BreakerState => (breaker.opened ? 'open' : breaker.halfOpen ? 'half_open' : 'closed');
  breaker.on('open', () => onChange?.('open'));
  breaker.on('halfOpen', () => onChange?.('half_open'));
  breaker.on('close', () => onChange?.('closed'));
  return { ask: (input) => breaker.fire(input), state, close: () => breaker.shutdown() };
}
