/** What WebAuthn calls us: by the host of the issuer, so that a tenant's own issuer has passkeys of its own. */
export function relyingParty(issuer: string): { id: string; origin: string } {
  const { hostname, origin } = new URL(issuer);
  return { id: hostname, origin };
}

/** The 16 bytes of the person's id: what an authenticator keeps and says again (WebAuthn Level 3 section 14.6.1). */
export const userHandleOf = (userId: string): Uint8Array<ArrayBuffer> => new Uint8Array(Buffer.from(userId.replaceAll('-', ''), 'hex'));
