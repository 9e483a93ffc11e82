/** The one place that reads the clock; everything else is handed an instant or a `Clock`. */
export interface Clock {
  now(): Date;
}

export const systemClock: Clock = { now: () => new Date() };

/** Whole seconds since the epoch, as JWT's NumericDate wants them (RFC 7519 section 2). */
export const epochSeconds = (at: Date): number => Math.floor(at.getTime() / 1000);

export const addSeconds = (at: Date, seconds: number): Date => new Date(at.getTime() + seconds * 1000);
