import { invalidInput, notFound } from '../../core/errors.ts';
import { isId } from '../../core/ids.ts';
import { pageOf, readCursor, readPosition } from '../../core/page.ts';
import type { Scope } from '../../core/scope.ts';
import { DELETED, deleted, pageRequest } from '../../http/paging.ts';
import { answer, ID_PARAMS, NDJSON, type Route, route } from '../../http/route.ts';
import { receiveImport, removeImport } from './commands.ts';
import type { ImportDeps } from './index.ts';
import { FAULT_PAGE, faultView, IMPORT, IMPORT_PAGE, IMPORT_QUERY, IMPORTS_QUERY, importView } from './schema.ts';
import { findImport, type ImportRow, listFaults, listImports } from './store.ts';

const GIB = 1_073_741_824;

/** Imports of people: taken in, watched, and taken back. */
export function importRoutes(deps: ImportDeps): Route[] {
  const tag = 'People';
  const load = async ({ tenantId }: Scope, { id }: { id: string }): Promise<ImportRow> => {
    const row = await deps.db.transaction((sql) => findImport(sql, tenantId, id), { tenantId });
    if (!row) throw notFound('import');
    return row;
  };
  return [
    route('POST /api/users/import', {
      summary: 'Import people',
      description:
        'One person a line (NDJSON): the body of POST /api/users, under the same rules. At most 65,536 bytes a line, 1,000,000 lines and 1 GiB; the body is taken in as it comes and must keep coming. Answers as soon as it has ended; the work is done in batches afterwards, each once, and a line with a fault stops no other. What is imported is kept sealed until it was worked on. Use `passwordHash` for many: each plain `password` is hashed in turn.',
      tag,
      access: 'users.write',
      query: IMPORT_QUERY,
      upload: { types: [NDJSON], maxBytes: GIB },
      reply: IMPORT,
      status: 202,
      handle: async (scope, { query, upload }) => {
        const row = await receiveImport(deps, scope, query, upload);
        return answer(importView(row), { headers: { location: `/api/users/imports/${row.id}` } });
      },
    }),
    route('GET /api/users/imports', {
      summary: 'List imports',
      tag,
      access: 'users.read',
      query: IMPORTS_QUERY,
      reply: IMPORT_PAGE,
      handle: async ({ tenantId }, { query }) => {
        const { limit, cursor } = pageRequest(query);
        const after = readPosition(cursor);
        if (after && !isId(after[1])) throw invalidInput([{ pointer: '/cursor', message: 'is not a cursor of this list' }]);
        const rows = await deps.db.transaction((sql) => listImports(sql, tenantId, limit + 1, after), { tenantId });
        return pageOf(rows, limit, (row) => [row.position, row.id], importView);
      },
    }),
    route('GET /api/users/imports/{id}', {
      summary: 'See how far an import is',
      tag,
      access: 'users.read',
      versioned: false,
      params: ID_PARAMS,
      reply: IMPORT,
      handle: async (scope, { params }) => importView(await load(scope, params)),
    }),
    route('GET /api/users/imports/{id}/faults', {
      summary: 'List the lines of an import that have a fault',
      tag,
      access: 'users.read',
      versioned: false,
      params: ID_PARAMS,
      query: IMPORTS_QUERY,
      reply: FAULT_PAGE,
      load,
      handle: async ({ tenantId }, { params, query }) => {
        const { limit, cursor } = pageRequest(query);
        const after = afterLine(cursor);
        const rows = await deps.db.transaction((sql) => listFaults(sql, tenantId, params.id, limit + 1, after), { tenantId });
        return pageOf(rows, limit, ({ line }) => [line], faultView);
      },
    }),
    route('DELETE /api/users/imports/{id}', {
      summary: 'Take an import back',
      description: 'Stops what has not been worked on, and forgets the report. People who were made stay.',
      tag,
      access: 'users.write',
      versioned: false,
      params: ID_PARAMS,
      reply: DELETED,
      load,
      handle: async (scope, { params }) => {
        await removeImport(deps, scope, params.id);
        return deleted(params.id);
      },
    }),
  ];
}

function afterLine(cursor: string | undefined): number {
  if (cursor === undefined) return 0;
  const [line = '', ...rest] = readCursor(cursor) ?? [];
  if (!/^\d{1,15}$/.test(line) || rest.length > 0) throw invalidInput([{ pointer: '/cursor', message: 'is not a cursor of this list' }]);
  return Number(line);
}
