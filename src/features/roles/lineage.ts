/** What may be whose parent. Pure. */
import type { RoleFacts } from './index.ts';

export const MOST_GENERATIONS = 8;

/** What is wrong with the parents of these roles taken together, in words for the caller; undefined where nothing is. */
export function faultOfLineage(roles: readonly Pick<RoleFacts, 'name' | 'parents'>[]): string | undefined {
  const parentsOf = new Map(roles.map(({ name, parents }) => [name, parents]));
  const heights = new Map<string, number>();
  const open = new Set<string>();

  /** How many generations are above; Infinity in a loop. */
  function heightOf(name: string): number {
    if (open.has(name)) return Number.POSITIVE_INFINITY;
    const known = heights.get(name);
    if (known !== undefined) return known;
    open.add(name);
    const height = (parentsOf.get(name) ?? []).reduce((most, parent) => Math.max(most, 1 + heightOf(parent)), 0);
    open.delete(name);
    heights.set(name, height);
    return height;
  }

  const highest = roles.reduce((most, { name }) => Math.max(most, heightOf(name)), 0);
  if (highest === Number.POSITIVE_INFINITY) return 'would make a loop';
  return highest > MOST_GENERATIONS ? `would make more than ${MOST_GENERATIONS} generations` : undefined;
}
