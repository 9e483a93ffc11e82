import { AppError } from '../core/errors.ts';

/** The strong entity tag of a row's version (RFC 9110 section 8.8.3). */
export const etagOf = (version: number | string): string => `"${version}"`;

/** Throws 412 `precondition.failed` where `If-Match` was sent and names another version (strong comparison, RFC 9110 section 13.1.1). */
export function checkIfMatch(ifMatch: string | undefined, version: number | string): void {
  if (ifMatch === undefined || ifMatch.trim() === '*') return;
  if (!tagsOf(ifMatch).includes(etagOf(version)))
    throw new AppError('precondition.failed', 412, 'It has changed since it was read', { headers: { etag: etagOf(version) } });
}

/** Whether `If-None-Match` names this tag, so that 304 may be answered (weak comparison, RFC 9110 section 13.1.2). */
export function isUnchanged(ifNoneMatch: string | undefined, etag: string): boolean {
  if (!ifNoneMatch) return false;
  if (ifNoneMatch.trim() === '*') return true;
  const bare = (tag: string): string => tag.replace(/^W\//, '');
  return tagsOf(ifNoneMatch).some((tag) => bare(tag) === bare(etag));
}

const tagsOf = (header: string): string[] => header.match(/(?:W\/)?"[^"]*"/g) ?? [];
