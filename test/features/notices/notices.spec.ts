import assert from 'node:assert/strict';
import { systemClock } from '#src/core/clock.ts';
import { newId } from '#src/core/ids.ts';
import { openNotices, recordAgreement } from '#src/features/notices/agreements.ts';
import { urlOfNotice } from '#src/features/notices/index.ts';
import { noticeRoutes } from '#src/features/notices/routes.ts';
import { currentNotices } from '#src/features/notices/store.ts';
import { describeApiResource } from '#test/contract/api-resource.ts';
import { type ApiHarness, startApi } from '#test/support/api.ts';

const ended: string[] = [];
const changed: string[] = [];
const start = (): Promise<ApiHarness> =>
  startApi(({ db, transact }) =>
    noticeRoutes({
      db,
      transact,
      clock: systemClock,
      endAccess: async (_work, userId) => void ended.push(userId),
      changed: (tenantId) => void changed.push(tenantId),
    }),
  );

const TERMS = { kind: 'terms', label: '2026-11', url: 'https://acme.test/terms' };

describeApiResource({
  path: '/api/notices',
  permissions: { read: 'tenants.read', write: 'tenants.write' },
  start,
  valid: (number) => ({ ...TERMS, label: `v${number}` }),
  change: { url: 'https://acme.test/terms/changed' },
  invalid: {
    'a kind that is none': { ...TERMS, kind: 'cookies' },
    'a script for an address': { ...TERMS, url: 'javascript:alert(1)' },
    'an address with markup': { ...TERMS, url: 'https://acme.test/"><script>' },
    'markup for a version': { ...TERMS, label: '<b>1</b>' },
    'an empty version': { ...TERMS, label: '' },
    'a script for an address in a language': { ...TERMS, urls: { de: 'javascript:alert(1)' } },
    'a language that there are no texts in': { ...TERMS, urls: { xx: 'https://acme.test/xx' } },
  },
  takenCode: 'notice.label_taken',
  textMember: 'label',
});

describe('terms and privacy notices', () => {
  let api: ApiHarness;
  let token: string;
  let tenantId: string;
  before(async () => {
    api = await start();
    tenantId = api.tenants[0];
    token = api.tokenOf({ tenantId });
  });
  after(() => api.close());

  const draft = async (body: object): Promise<string> => {
    const made = await api.call(token, 'POST /api/notices', { body });
    assert.equal(made.status, 201, made.text);
    return String(made.body['id']);
  };
  const publish = (id: string) => api.call(token, `POST /api/notices/${id}/publish`);
  const current = async (): Promise<string[]> =>
    (await currentNotices(api.db, tenantId)).map(({ kind, label }) => `${kind} ${label}`).sort();
  const person = async (): Promise<{ id: string; token: string }> => {
    const id = newId();
    await api.owner.query('insert into users (id, home_tenant_id, username, username_key) values ($1, $2, $3, $3)', [
      id,
      tenantId,
      `p-${id}`,
    ]);
    return { id, token: api.tokenOf({ tenantId, actor: { type: 'user', id }, permissions: ['account'] }) };
  };
  const open = async (id: string): Promise<string[]> =>
    (await openNotices({ db: api.db, notices: { of: (tenant) => currentNotices(api.db, tenant) } }, id, tenantId)).map(
      ({ label }) => label,
    );
  const agree = (userId: string, ids: readonly string[]): Promise<void> =>
    api.transact(
      {
        tenantId,
        actor: { type: 'anonymous' },
        request: { id: 'r', address: '', device: '', issuer: '' },
        permissions: new Set(),
        platform: false,
      },
      (work) => recordAgreement({ clock: systemClock }, work, userId, ids),
    );

  it('hold from when they are published, the newest of a kind in place of the one before', async () => {
    const first = await draft({ ...TERMS, label: 'first' });
    assert.deepEqual(await current(), []);
    const answer = await publish(first);
    assert.equal(answer.status, 200, answer.text);
    assert.ok(answer.body['publishedAt']);
    assert.deepEqual(await current(), ['terms first']);
    await publish(await draft({ ...TERMS, kind: 'privacy', label: 'p1' }));
    await publish(await draft({ ...TERMS, label: 'second' }));
    assert.deepEqual(await current(), ['privacy p1', 'terms second']);
    assert.ok(changed.includes(tenantId));
    assert.deepEqual(await currentNotices(api.db, api.tenants[1]), [], 'they are of their tenant');
  });

  it('are read in the language of whoever reads, where they are there in it', async () => {
    const urls = { de: 'https://acme.test/agb', fr: 'https://acme.test/cgu' };
    const id = await draft({ ...TERMS, label: 'languages', urls });
    const seen = async () => (await api.call(token, `GET /api/notices/${id}`)).body['urls'];
    assert.deepEqual(await seen(), urls);
    assert.equal((await api.call(token, `PATCH /api/notices/${id}`, { body: { urls: { fr: null } } })).status, 200);
    assert.deepEqual(await seen(), { de: urls.de }, 'one is taken away by itself');
    assert.equal((await api.call(token, `PUT /api/notices/${id}`, { body: { ...TERMS, label: 'languages' } })).status, 200);
    assert.deepEqual(await seen(), {}, 'a replacement takes away what it leaves out');
    assert.equal((await api.call(token, `PATCH /api/notices/${id}`, { body: { urls } })).status, 200);
    await publish(id);
    const now = (await currentNotices(api.db, tenantId)).find((one) => one.id === id);
    assert.ok(now);
    assert.deepEqual(
      ['de', 'fr', 'en', 'constructor'].map((locale) => urlOfNotice(now, locale)),
      [urls.de, urls.fr, TERMS.url, TERMS.url],
    );
  });

  it('stay as they are once published, and publishing again changes and records nothing', async () => {
    const id = await draft({ ...TERMS, label: 'fixed' });
    const once = await publish(id);
    const again = await publish(id);
    assert.deepEqual(again.body, once.body);
    for (const [signature, body] of [
      [`PATCH /api/notices/${id}`, { url: 'https://other.test/' }],
      [`PUT /api/notices/${id}`, { ...TERMS, label: 'other' }],
      [`DELETE /api/notices/${id}`, undefined],
    ] as const) {
      const refused = await api.call(token, signature, body === undefined ? {} : { body });
      assert.deepEqual([refused.status, refused.body['code']], [409, 'notice.published'], signature);
    }
    const { rows } = await api.owner.query(
      `select count(*)::int as n from audit_events where type = 'notice.published' and target_id = $1`,
      [id],
    );
    assert.equal(rows[0].n, 1);
  });

  it('are asked for until they are agreed to, and again where a newer one is published', async () => {
    const ada = await person();
    const asked = await open(ada.id);
    assert.ok(asked.length >= 1);
    await agree(
      ada.id,
      (await currentNotices(api.db, tenantId)).map(({ id }) => id),
    );
    assert.deepEqual(await open(ada.id), []);
    await publish(await draft({ ...TERMS, label: 'newer' }));
    assert.deepEqual(await open(ada.id), ['newer']);
  });

  it('show people what they agreed to, and end their access where they take it back', async () => {
    const [ada, eve] = [await person(), await person()];
    const id = await draft({ ...TERMS, label: 'mine' });
    await publish(id);
    await agree(ada.id, [id]);
    await agree(ada.id, [id]);
    const { body } = await api.call(ada.token, 'GET /api/me/agreements');
    const items = body['items'] as unknown as Record<string, unknown>[];
    assert.deepEqual(
      items.map(({ noticeId, label, tenantName, withdrawnAt }) => [noticeId, label, tenantName, withdrawnAt]),
      [[id, 'mine', 'A', null]],
    );
    assert.equal((await api.call(eve.token, `DELETE /api/me/agreements/${id}`)).status, 404, 'nobody takes back what is somebody else’s');
    assert.deepEqual((await api.call(ada.token, `DELETE /api/me/agreements/${id}`)).body, { id, deleted: true });
    assert.deepEqual(ended, [ada.id]);
    assert.equal((await api.call(ada.token, `DELETE /api/me/agreements/${id}`)).status, 404);
    const after = (await api.call(ada.token, 'GET /api/me/agreements')).body['items'] as unknown as Record<string, unknown>[];
    assert.ok(after[0]?.['withdrawnAt'], 'that it was there is kept');
    assert.ok((await open(ada.id)).includes('mine'));
    const { rows } = await api.owner.query(
      `select type from audit_events where person_id = $1 and type like 'agreement.%' order by at, id`,
      [ada.id],
    );
    assert.deepEqual(
      rows.map(({ type }) => type),
      ['agreement.given', 'agreement.withdrawn'],
    );
  });

  it('are taken back once the person is held, as in a sign-in at the same time, so that neither waits for the other', async () => {
    const ada = await person();
    const id = await draft({ ...TERMS, label: 'at-once' });
    await publish(id);
    await agree(ada.id, [id]);
    await api.owner.query('begin');
    await api.owner.query('select 1 from users where id = $1 for update', [ada.id]);
    const withdrawn = api.call(ada.token, `DELETE /api/me/agreements/${id}`);
    await new Promise((resolve) => setTimeout(resolve, 300));
    const { rows } = await api.owner.query('update agreements set agreed_at = now() where user_id = $1 returning withdrawn_at', [ada.id]);
    await api.owner.query('commit');
    assert.deepEqual(rows, [{ withdrawn_at: null }]);
    assert.equal((await withdrawn).status, 200);
  });
});
