/** Ways through the sign-in pages that several specs take. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { PASSWORD } from './harness.ts';
import { CALLBACK, type Site, type Visitor } from './site.ts';

export const OTHER_PASSWORD = 'violet cactus thunder marble';
export const freshAddress = (): string => `p${randomBytes(6).toString('hex')}@example.com`;

function returned(location: URL | undefined): URLSearchParams {
  if (!location?.href.startsWith(CALLBACK)) assert.fail(location?.href ?? 'stayed on the pages');
  return location.searchParams;
}

/** Fails unless the browser took a code back to the application. */
export function arrived(location: URL | undefined): void {
  assert.ok(returned(location).get('code'), location?.href);
}

/** The error that the browser took back to the application. */
export const errorOf = (location: URL | undefined): string | null => returned(location).get('error');

export async function signIn(site: Site, email: string, password = PASSWORD): Promise<Visitor> {
  const visitor = site.visitor();
  await visitor.signIn('app');
  arrived((await visitor.submit({ login: email, password })).location);
  return visitor;
}
