export interface Somebody {
  sub: string;
  email: string;
  emailVerified: unknown;
  givenName: string;
  familyName: string;
}

/** One of many people who have never been here. */
export const alice = (number: number, more: Partial<Somebody> = {}): Somebody => ({
  sub: `sub-${number}`,
  email: `alice-${number}@upstream.test`,
  emailVerified: true,
  givenName: 'Alice',
  familyName: 'Liddell',
  ...more,
});
