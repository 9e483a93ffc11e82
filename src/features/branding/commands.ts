import { type AppError, invalidInput, notFound } from '../../core/errors.ts';
import { newId } from '../../core/ids.ts';
import type { Scope } from '../../core/scope.ts';
import { checkIfMatch } from '../../http/etag.ts';
import type { Database } from '../../infra/postgres.ts';
import type { Transact } from '../audit/index.ts';
import type { LogoCache } from './index.ts';
import { inspectPicture, type Picture } from './picture.ts';
import { deleteLogo, findLogo, type LogoRow, lockLogo, saveLogo } from './store.ts';

export interface LogoDeps {
  db: Database;
  transact: Transact;
  logos: Pick<LogoCache, 'drop'>;
}

export const MAX_BYTES = 262_144;
export const MAX_PIXELS = 2048;

/** Whose logo: the application's, or the tenant's where none is named. */
type Owner = string | null;

const logoNotFound = (): AppError => notFound('logo');

/** Throws 404. */
export async function getLogo({ db }: LogoDeps, scope: Scope, clientId: Owner): Promise<LogoRow> {
  const row = await db.transaction((sql) => findLogo(sql, scope.tenantId, clientId), { tenantId: scope.tenantId });
  if (!row) throw logoNotFound();
  return row;
}

/** Sets the logo; `declared` is the media type that the sender named. Throws 412, and 422 where it is no picture, another one than declared, or too large. */
export async function putLogo(
  deps: LogoDeps,
  scope: Scope,
  clientId: Owner,
  { bytes, declared }: { bytes: Buffer; declared: string },
  ifMatch?: string,
): Promise<LogoRow> {
  const picture = judge(bytes, declared);
  const row = await deps.transact(scope, async ({ sql, record }) => {
    const before = await lockLogo(sql, scope.tenantId, clientId);
    checkIfMatch(ifMatch, before?.id ?? '');
    const saved = await saveLogo(sql, { id: newId(), tenantId: scope.tenantId, clientId, bytes, ...picture });
    record({ type: 'logo.changed', outcome: 'success', target: targetOf(scope, clientId), data: { imageId: saved.id } });
    return saved;
  });
  deps.logos.drop(scope.tenantId);
  return row;
}

/** Throws 404, 412. */
export async function removeLogo(deps: LogoDeps, scope: Scope, clientId: Owner, ifMatch?: string): Promise<void> {
  await deps.transact(scope, async ({ sql, record }) => {
    const before = await lockLogo(sql, scope.tenantId, clientId);
    if (!before) throw logoNotFound();
    checkIfMatch(ifMatch, before.id);
    await deleteLogo(sql, scope.tenantId, before.id);
    record({ type: 'logo.removed', outcome: 'success', target: targetOf(scope, clientId) });
  });
  deps.logos.drop(scope.tenantId);
}

const targetOf = ({ tenantId }: Scope, clientId: Owner) =>
  clientId === null ? { type: 'tenant', id: tenantId } : { type: 'client', id: clientId };

function judge(bytes: Buffer, declared: string): Picture {
  const picture = inspectPicture(bytes);
  const fault = (message: string): AppError => invalidInput([{ pointer: '', message }]);
  if (!picture) throw fault('is no PNG, JPEG or WebP picture, or not only that');
  if (picture.type !== declared) throw fault(`is ${picture.type}, and was sent as ${declared}`);
  if (picture.width > MAX_PIXELS || picture.height > MAX_PIXELS) throw fault(`may be at most ${MAX_PIXELS} pixels wide and high`);
  return picture;
}
