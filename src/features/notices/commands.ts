import { isDeepStrictEqual } from 'node:util';
import type { Clock } from '../../core/clock.ts';
import { AppError, notFound } from '../../core/errors.ts';
import { newId } from '../../core/ids.ts';
import type { Scope } from '../../core/scope.ts';
import { checkIfMatch } from '../../http/etag.ts';
import { mergePatch } from '../../http/merge-patch.ts';
import { violatedUnique } from '../../infra/postgres.ts';
import type { Transact } from '../audit/index.ts';
import type { NoticeUrls } from './index.ts';
import type { NoticeInput, NoticePatch } from './schema.ts';
import { insertNotice, lockNotice, type NoticeRow, deleteNotice as removeRow, updateNotice } from './store.ts';

export interface NoticeDeps {
  clock: Clock;
  transact: Transact;
  /** Called after a commit, so that this process need not wait for the notification. */
  changed(tenantId: string): void;
}

export const noticeNotFound = (): AppError => notFound('notice');
const labelTaken = (): AppError => new AppError('notice.label_taken', 409, 'There is a notice of this kind and version');
const published = (): AppError =>
  new AppError('notice.published', 409, 'A published notice stays as it is', {
    detail: 'People have agreed to it. Publish another version instead.',
  });

/** Throws 409 `notice.label_taken`, 422. */
export async function createNotice(deps: NoticeDeps, scope: Scope, { kind, label, url, urls }: NoticeInput): Promise<NoticeRow> {
  return deps.transact(scope, async ({ sql, record }) => {
    const row = await insertNotice(sql, scope.tenantId, newId(), {
      kind,
      label,
      url,
      urls: mergePatch({}, urls ?? {}) as NoticeUrls,
    }).catch(taken);
    record({ type: 'notice.created', outcome: 'success', target: { type: 'notice', id: row.id } });
    return row;
  });
}

/** Changes the named fields of a notice that nobody can have agreed to yet. Throws 404, 409 `notice.published` or `notice.label_taken`, 412. */
export async function changeNotice(deps: NoticeDeps, scope: Scope, id: string, patch: NoticePatch, ifMatch?: string): Promise<NoticeRow> {
  return deps.transact(scope, async ({ sql, record }) => {
    const before = await lockNotice(sql, scope.tenantId, id);
    if (!before) throw noticeNotFound();
    checkIfMatch(ifMatch, before.version);
    if (before.published_at) throw published();
    const { urls, ...values } = patch;
    const merged = urls === undefined ? {} : { urls: mergePatch(before.urls, urls) as NoticeUrls };
    const after = await updateNotice(sql, scope.tenantId, id, { ...values, ...merged }).catch(taken);
    const fields = (['kind', 'label', 'url', 'urls'] as const).filter((field) => !isDeepStrictEqual(before[field], after[field]));
    record({ type: 'notice.changed', outcome: 'success', target: { type: 'notice', id }, data: { fields } });
    return after;
  });
}

/** From now on people are asked for it at registration and at their next sign-in. Once more: the same answer. Throws 404, 412. */
export async function publishNotice(deps: NoticeDeps, scope: Scope, id: string, ifMatch?: string): Promise<NoticeRow> {
  const row = await deps.transact(scope, async ({ sql, record }) => {
    const before = await lockNotice(sql, scope.tenantId, id);
    if (!before) throw noticeNotFound();
    checkIfMatch(ifMatch, before.version);
    if (before.published_at) return before;
    record({
      type: 'notice.published',
      outcome: 'success',
      target: { type: 'notice', id },
      data: { kind: before.kind, label: before.label },
    });
    return updateNotice(sql, scope.tenantId, id, { published_at: deps.clock.now() });
  });
  deps.changed(scope.tenantId);
  return row;
}

/** Throws 404, 412, and 409 `notice.published`: what people agreed to is kept. */
export async function deleteNotice(deps: NoticeDeps, scope: Scope, id: string, ifMatch?: string): Promise<void> {
  await deps.transact(scope, async ({ sql, record }) => {
    const row = await lockNotice(sql, scope.tenantId, id);
    if (!row) throw noticeNotFound();
    checkIfMatch(ifMatch, row.version);
    if (row.published_at) throw published();
    await removeRow(sql, scope.tenantId, id);
    record({ type: 'notice.deleted', outcome: 'success', target: { type: 'notice', id } });
  });
}

function taken(error: unknown): never {
  throw violatedUnique(error) ? labelTaken() : error;
}
