import type { Method, Route } from './route.ts';

interface Branch {
  fixed: Map<string, Branch>;
  parameter?: Branch;
  routes: Map<Method, { route: Route; names: string[] }>;
}

export type Match = { route: Route; params: Record<string, string> } | { allow: string } | undefined;

/**
 * Finds routes by path, segment by segment; a fixed segment wins over a parameter (`/api/sessions/current` over `…/{sid}`).
 * Answers the methods that exist where the method does not. Throws at start where two routes are the same.
 */
export function createRouter(routes: readonly Route[]): (method: string, path: string) => Match {
  const root = branch();
  for (const route of routes) {
    let at = root;
    const names: string[] = [];
    for (const segment of segmentsOf(route.path)) {
      const name = /^\{(\w+)\}$/.exec(segment)?.[1];
      if (name === undefined) at = getOrAdd(at.fixed, segment);
      else {
        names.push(name);
        at.parameter ??= branch();
        at = at.parameter;
      }
    }
    if (at.routes.has(route.method)) throw new Error(`Two routes are ${route.method} ${route.path}`);
    at.routes.set(route.method, { route, names });
  }
  return (method, path) => {
    const values: string[] = [];
    const found = find(root, segmentsOf(path), 0, values);
    if (!found) return undefined;
    const hit = found.routes.get((method === 'HEAD' ? 'GET' : method) as Method);
    if (!hit) return { allow: allowOf(found) };
    const decoded = values.map(decode);
    // What does not decode is nobody's id.
    return { route: hit.route, params: Object.fromEntries(hit.names.map((name, index) => [name, decoded[index] ?? ''])) };
  };
}

function find(at: Branch, segments: string[], index: number, values: string[]): Branch | undefined {
  const segment = segments[index];
  if (segment === undefined) return at.routes.size > 0 ? at : undefined;
  const fixed = at.fixed.get(segment);
  const found = fixed && find(fixed, segments, index + 1, values);
  if (found) return found;
  if (!at.parameter || segment === '') return undefined;
  values.push(segment);
  const deeper = find(at.parameter, segments, index + 1, values);
  if (!deeper) values.pop();
  return deeper;
}

const branch = (): Branch => ({ fixed: new Map(), routes: new Map() });

function getOrAdd(map: Map<string, Branch>, key: string): Branch {
  const found = map.get(key) ?? branch();
  map.set(key, found);
  return found;
}

const segmentsOf = (path: string): string[] => path.slice(1).split('/');

function allowOf({ routes }: Branch): string {
  const methods: string[] = [...routes.keys()];
  if (routes.has('GET')) methods.push('HEAD');
  return [...methods, 'OPTIONS'].sort().join(', ');
}

function decode(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return '';
  }
}
