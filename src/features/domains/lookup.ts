import { Resolver } from 'node:dns/promises';
import { AppError } from '../../core/errors.ts';
import type { ResolveTxt } from './index.ts';
import { challengeName } from './names.ts';

const TIMEOUT_MS = 3000;

/** Asks the machine's name servers, three seconds at most. */
export const systemResolver: ResolveTxt = async (name) => {
  const resolver = new Resolver({ timeout: TIMEOUT_MS, tries: 1 });
  const late = setTimeout(() => resolver.cancel(), TIMEOUT_MS);
  try {
    return await resolver.resolveTxt(name);
  } finally {
    clearTimeout(late);
  }
};

const NOTHING_THERE: readonly unknown[] = ['ENOTFOUND', 'ENODATA'];
const MOST_SHOWN = 20;

/** The TXT records where the proof belongs; none where there is no such name. Throws 503 `domain.lookup_failed` where nobody knows. */
export async function lookUp(resolveTxt: ResolveTxt, domain: string): Promise<string[]> {
  try {
    const records = await resolveTxt(challengeName(domain));
    return records.slice(0, MOST_SHOWN).map((parts) => parts.join('').slice(0, 255));
  } catch (error) {
    if (NOTHING_THERE.includes((error as { code?: unknown }).code)) return [];
    throw new AppError('domain.lookup_failed', 503, 'The name servers did not answer', { headers: { 'retry-after': '30' }, cause: error });
  }
}
