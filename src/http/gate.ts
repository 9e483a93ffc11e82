import { AppError } from '../core/errors.ts';

const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);

/** Throws 405 for TRACE and everything else that nothing here knows. */
export function checkMethod(method: string): void {
  if (!METHODS.has(method))
    throw new AppError('method.not_allowed', 405, 'This method is not known here', { headers: { allow: [...METHODS].join(', ') } });
}

/** First segments below which the second is an id, in which capitals mean something. */
const WITH_IDS = new Set(['auth', 'reg', 'device', 'session', 'ciba']);

/**
 * Whether a path of the protocol is spelled as we publish it. The library's router takes `/TOKEN` and `/token/` for `/token`; whoever
 * limits or guards by path (we, a proxy, a gateway) must see one spelling only.
 */
export function isCanonical(path: string): boolean {
  if (path === '/') return true;
  if (/%|\/\/|\\|;|\/$|\/\.(?!well-known\/)/.test(path)) return false;
  const [first = '', ...rest] = path.slice(1).split('/');
  const fixed = WITH_IDS.has(first) ? [first, ...rest.slice(1)] : [first, ...rest];
  return fixed.every((segment) => segment === segment.toLowerCase());
}

/** Whether `path` is at or below one of these; nothing is below `/`. */
export const isBelow = (path: string, prefixes: readonly string[]): boolean =>
  prefixes.some((prefix) => path === prefix || (prefix !== '/' && path.startsWith(`${prefix}/`)));
