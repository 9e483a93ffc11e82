import { type Static, Type } from '@sinclair/typebox';
import { PAGE_QUERY, pageSchema } from '../../http/paging.ts';
import type { FaultRow, ImportRow } from './store.ts';

const INSTANT = Type.String({ format: 'date-time' });
const orNull = Type.Union([INSTANT, Type.Null()]);
const COUNT = Type.Integer({ minimum: 0 });

const FORMAT = Type.Union([Type.Literal('gatehouse'), Type.Literal('keycloak'), Type.Literal('auth0')], {
  description: '`gatehouse`: each line is a body of POST /api/users. `keycloak`, `auth0`: a user as these export them, one a line',
});

export const IMPORT_QUERY = Type.Object({
  dryRun: Type.Optional(Type.Boolean({ description: 'Judges every line and writes nobody' })),
  format: Type.Optional(FORMAT),
});

export const IMPORT = Type.Object({
  id: Type.String(),
  status: Type.Union(
    ['receiving', 'queued', 'running', 'done', 'failed'].map((name) => Type.Literal(name)),
    { description: '`failed`: given up, say because whoever began it lost the right; `error` says why' },
  ),
  dryRun: Type.Boolean(),
  format: FORMAT,
  lines: Type.Integer({ minimum: 0, description: 'How many there are; empty ones do not count' }),
  done: Type.Integer({ minimum: 0, description: 'How many were worked on' }),
  created: COUNT,
  invited: COUNT,
  failed: Type.Integer({ minimum: 0, description: 'How many have a fault' }),
  error: Type.Union([Type.String(), Type.Null()]),
  createdAt: INSTANT,
  startedAt: orNull,
  finishedAt: orNull,
});
export const IMPORT_PAGE = pageSchema(IMPORT);
export const IMPORTS_QUERY = Type.Object(PAGE_QUERY);

export const FAULT = Type.Object({ line: Type.Integer({ minimum: 1 }), code: Type.String(), message: Type.String() });
export const FAULT_PAGE = pageSchema(FAULT);

export const importView = (row: ImportRow): Static<typeof IMPORT> => ({
  id: row.id,
  status: row.status,
  dryRun: row.dry_run,
  format: row.format,
  lines: Number(row.lines),
  done: Number(row.done),
  created: Number(row.created_people),
  invited: Number(row.invited),
  failed: Number(row.failed),
  error: row.error,
  createdAt: row.created_at.toISOString(),
  startedAt: row.started_at?.toISOString() ?? null,
  finishedAt: row.finished_at?.toISOString() ?? null,
});

export const faultView = ({ line, code, message }: FaultRow): Static<typeof FAULT> => ({ line: Number(line), code, message });
