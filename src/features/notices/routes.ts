import { LOCALES } from '../../core/messages/catalogue.ts';
import { ownPerson } from '../../core/permissions.ts';
import { DELETED, deleted, pageRequest } from '../../http/paging.ts';
import { answer, ID_PARAMS, type Route, route } from '../../http/route.ts';
import { type WithdrawalDeps, withdrawAgreement } from './agreements.ts';
import { changeNotice, createNotice, deleteNotice, type NoticeDeps, publishNotice } from './commands.ts';
import { getNotice, type NoticeQueryDeps, pageOfNotices } from './queries.ts';
import {
  AGREEMENTS,
  NOTICE,
  NOTICE_INPUT,
  NOTICE_PAGE,
  NOTICE_PATCH,
  NOTICE_QUERY,
  NOTICE_REPLACEMENT,
  type NoticeView,
} from './schema.ts';
import { agreementsOf, type NoticeRow } from './store.ts';

const tag = 'Notices';
/** What a replacement leaves out is taken away. */
const NO_URLS = Object.fromEntries(LOCALES.map((locale) => [locale, null]));
const versioned = (row: NoticeRow): ReturnType<typeof answer> => answer(viewOf(row), { version: row.version });

/** Terms and privacy notices of a tenant, and what a person agreed to. */
export function noticeRoutes(deps: NoticeDeps & NoticeQueryDeps & WithdrawalDeps): Route[] {
  return [
    route('GET /api/notices', {
      summary: 'List terms and privacy notices',
      tag,
      access: 'tenants.read',
      query: NOTICE_QUERY,
      reply: NOTICE_PAGE,
      handle: async (scope, { query }) => {
        const page = await pageOfNotices(deps, scope, pageRequest(query), query.kind);
        return { items: page.items.map(viewOf), nextCursor: page.nextCursor };
      },
    }),
    route('POST /api/notices', {
      summary: 'Draft terms or a privacy notice',
      description: 'Nobody is asked for it before it is published.',
      tag,
      access: 'tenants.write',
      body: NOTICE_INPUT,
      reply: NOTICE,
      status: 201,
      errors: [409],
      handle: async (scope, { body }) => {
        const row = await createNotice(deps, scope, body);
        return answer(viewOf(row), { version: row.version, headers: { location: `/api/notices/${row.id}` } });
      },
    }),
    route('GET /api/notices/{id}', {
      summary: 'See a notice',
      tag,
      access: 'tenants.read',
      params: ID_PARAMS,
      reply: NOTICE,
      handle: async (scope, { params }) => versioned(await getNotice(deps, scope, params.id)),
    }),
    route('PUT /api/notices/{id}', {
      summary: 'Replace a draft',
      description:
        '`kind` and `label` stay where they are left out, `urls` do not. What is published stays as it is: 409 `notice.published`.',
      tag,
      access: 'tenants.write',
      params: ID_PARAMS,
      body: NOTICE_REPLACEMENT,
      reply: NOTICE,
      load: (scope, { id }) => getNotice(deps, scope, id),
      handle: async (scope, { params, body, ifMatch }) =>
        versioned(await changeNotice(deps, scope, params.id, { ...body, urls: { ...NO_URLS, ...body.urls } }, ifMatch)),
    }),
    route('PATCH /api/notices/{id}', {
      summary: 'Change a draft',
      description: 'RFC 7396. What is published stays as it is: 409 `notice.published`.',
      tag,
      access: 'tenants.write',
      params: ID_PARAMS,
      body: NOTICE_PATCH,
      reply: NOTICE,
      load: (scope, { id }) => getNotice(deps, scope, id),
      handle: async (scope, { params, body, ifMatch }) => versioned(await changeNotice(deps, scope, params.id, body, ifMatch)),
    }),
    route('POST /api/notices/{id}/publish', {
      summary: 'Publish a notice',
      description:
        'The newest published one of a kind holds: people are asked for it when they register and, whoever they are, at their next sign-in at an application of the tenant. Once more: the same answer.',
      tag,
      access: 'tenants.write',
      params: ID_PARAMS,
      reply: NOTICE,
      load: (scope, { id }) => getNotice(deps, scope, id),
      handle: async (scope, { params, ifMatch }) => versioned(await publishNotice(deps, scope, params.id, ifMatch)),
    }),
    route('DELETE /api/notices/{id}', {
      summary: 'Delete a draft',
      description: 'What is published is kept, as people agreed to it: 409 `notice.published`.',
      tag,
      access: 'tenants.write',
      params: ID_PARAMS,
      reply: DELETED,
      handle: async (scope, { params, ifMatch }) => {
        await deleteNotice(deps, scope, params.id, ifMatch);
        return deleted(params.id);
      },
    }),
    route('GET /api/me/agreements', {
      summary: 'List what you agreed to',
      description: 'Terms and privacy notices of every tenant, newest first, those you took back included.',
      tag: 'Own account',
      access: 'account',
      versioned: false,
      reply: AGREEMENTS,
      handle: async (scope) => ({
        items: (await agreementsOf(deps.db, ownPerson(scope))).map(({ agreedAt, withdrawnAt, ...rest }) => ({
          ...rest,
          urls: { ...rest.urls },
          agreedAt: agreedAt.toISOString(),
          withdrawnAt: withdrawnAt?.toISOString() ?? null,
        })),
        nextCursor: null,
      }),
    }),
    route('DELETE /api/me/agreements/{id}', {
      summary: 'Take an agreement back',
      description: 'By the id of the notice. It ends all of your sessions and tokens; your next sign-in where the notice holds asks again.',
      tag: 'Own account',
      access: 'account',
      versioned: false,
      params: ID_PARAMS,
      reply: DELETED,
      handle: async (scope, { params }) => {
        await withdrawAgreement(deps, scope, ownPerson(scope), params.id);
        return deleted(params.id);
      },
    }),
  ];
}

const viewOf = (row: NoticeRow): NoticeView => ({
  id: row.id,
  kind: row.kind,
  label: row.label,
  url: row.url,
  urls: { ...row.urls },
  publishedAt: row.published_at?.toISOString() ?? null,
  createdAt: row.created_at.toISOString(),
  updatedAt: row.updated_at.toISOString(),
});
