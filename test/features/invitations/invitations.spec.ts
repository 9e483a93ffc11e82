import assert from 'node:assert/strict';
import { newId, sha256 } from '#src/core/ids.ts';
import { ALL_PERMISSIONS } from '#src/core/permissions.ts';
import { sweepExpired } from '#src/infra/sweeps.ts';
import { describeApiResource } from '#test/contract/api-resource.ts';
import type { ApiAnswer } from '#test/support/api.ts';
import { takeViolations } from '#test/support/openapi-guard.ts';
import { giveRole } from '#test/support/roles.ts';
import { type InvitationApi, startInvitationApi, startPlaced } from './start.ts';

describeApiResource({
  path: '/api/tenants/TENANT/invitations',
  permissions: { read: 'invitations.read', write: 'invitations.write' },
  start: startPlaced,
  valid: (number) => ({ email: `somebody${number}@example.test`, roles: ['member'] }),
  change: {},
  invalid: {
    'what is no address': { email: 'nobody' },
    'a role that is none': { email: 'a@example.test', roles: ['no-such-role'] },
    'a time that is too short': { email: 'a@example.test', expiresInSeconds: 59 },
    'a time that is too long': { email: 'a@example.test', expiresInSeconds: 2_592_001 },
  },
  takenCode: 'invitation.pending',
  textMember: 'email',
  // What is taken back stays in the list as revoked.
  without: ['PUT', 'PATCH', 'DELETE'],
  nested: true,
});

describe('invitations of a tenant', () => {
  let api: InvitationApi;
  let tenant: string;
  let other: string;
  let admin: string;
  let foreigner: string;
  let path: string;
  before(async function () {
    this.timeout(60_000);
    api = await startInvitationApi();
    [tenant, other] = api.tenants;
    admin = api.tokenOf({ tenantId: tenant });
    foreigner = api.tokenOf({ tenantId: other });
    path = `/api/tenants/${tenant}/invitations`;
  });
  after(() => api?.close());
  afterEach(() => assert.deepEqual(takeViolations(), []));

  const invite = (body: object, token = admin): Promise<ApiAnswer> => api.call(token, `POST ${path}`, { body });
  const made = async (body: object): Promise<string> => {
    const answer = await invite(body);
    assert.equal(answer.status, 201, answer.text);
    return String(answer.body['id']);
  };
  const problem = (answer: ApiAnswer, status: number, code: string): void => {
    assert.deepEqual([answer.status, answer.body['code']], [status, code], answer.text);
  };
  const auditTypes = async (id: string): Promise<string[]> => {
    const { rows } = await api.owner.query('select type from audit_events where target_id = $1 order by at, id', [id]);
    return rows.map(({ type }) => type);
  };

  it('are made, seen, listed by status and taken back, each recorded once', async () => {
    const answer = await invite({ email: 'Grace@Example.test', roles: ['administrator', 'member'], expiresInSeconds: 60 });
    assert.equal(answer.status, 201, answer.text);
    const id = String(answer.body['id']);
    assert.equal(answer.headers.get('location'), `${path}/${id}`);
    assert.deepEqual(
      [answer.body['email'], answer.body['roles'], answer.body['status'], answer.body['sentCount'], answer.body['acceptedBy']],
      ['Grace@Example.test', ['administrator', 'member'], 'pending', 1, null],
    );
    const seconds = (Date.parse(String(answer.body['expiresAt'])) - Date.parse(String(answer.body['sentAt']))) / 1000;
    assert.equal(seconds, 60);
    const read = await api.call(admin, `GET ${path}/${id}`);
    assert.deepEqual([read.status, read.body, read.headers.get('etag')], [200, answer.body, answer.headers.get('etag')]);
    const listed = async (status: string): Promise<boolean> => (await api.call(admin, `GET ${path}?status=${status}`)).text.includes(id);
    assert.deepEqual([await listed('pending'), await listed('revoked')], [true, false]);
    const gone = await api.call(admin, `DELETE ${path}/${id}`);
    assert.deepEqual([gone.status, gone.body], [200, { id, deleted: true }]);
    assert.deepEqual([await listed('pending'), await listed('revoked')], [false, true]);
    problem(await api.call(admin, `DELETE ${path}/${id}`), 409, 'invitation.closed');
    problem(await api.call(admin, `POST ${path}/${id}/resend`), 409, 'invitation.closed');
    assert.deepEqual(await auditTypes(id), ['invitation.created', 'invitation.revoked']);
  });

  it('go on page by page, and take no cursor or filter that is none', async () => {
    for (const name of ['p1', 'p2', 'p3']) await made({ email: `${name}@example.test` });
    const first = await api.call(admin, `GET ${path}?limit=2&status=pending`);
    assert.equal((first.body['items'] as unknown as unknown[]).length, 2);
    const second = await api.call(admin, `GET ${path}?limit=2&status=pending&cursor=${String(first.body['nextCursor'])}`);
    assert.equal(second.status, 200, second.text);
    assert.ok(!second.text.includes((first.body['items'] as unknown as { id: string }[])[1]!.id));
    problem(await api.call(admin, `GET ${path}?cursor=x`), 422, 'input.invalid');
    problem(await api.call(admin, `GET ${path}?status=open`), 422, 'input.invalid');
  });

  it('refuse what is no address, no role of the tenant, too long or too short, or a field of its own making', async () => {
    for (const body of [
      { email: 'nobody' },
      { email: 'a@x.test, b@x.test' },
      { email: 'a@x.test\r\nBcc: b@x.test' },
      { email: 'a@x.test', roles: ['no-such-role'] },
      { email: 'a@x.test', expiresInSeconds: 59 },
      { email: 'a@x.test', expiresInSeconds: 30 * 86_400 + 1 },
      { email: 'a@x.test', secret: 'mine' },
      { email: 'a@x.test', status: 'accepted' },
      { email: 'a@x.test', tenantId: other },
    ])
      assert.equal((await invite(body)).status, 422, JSON.stringify(body));
  });

  it('answer alike whether or not the address has an account', async () => {
    await api.addPerson('known@example.test');
    const shape = async (email: string): Promise<unknown> => {
      const { status, body, headers } = await invite({ email });
      const { id, email: shown, expiresAt, sentAt, createdAt, ...rest } = body;
      assert.ok(id && expiresAt && sentAt && createdAt);
      assert.equal(shown, email);
      return { status, rest, headers: [...headers.keys()].sort() };
    };
    assert.deepEqual(await shape('known@example.test'), await shape('strange@example.test'));
  });

  it('are one at a time for an address, and none for who belongs to the tenant with it proven', async () => {
    await made({ email: 'twice@example.test' });
    problem(await invite({ email: 'TWICE@example.test' }), 409, 'invitation.pending');
    const at = await Promise.all(Array.from({ length: 6 }, () => invite({ email: 'at-once@example.test' })));
    assert.deepEqual(at.map(({ status }) => status).sort(), [201, 409, 409, 409, 409, 409]);
    const member = await api.addPerson('member@example.test');
    const unproven = await api.addPerson('unproven@example.test', { verified: false });
    for (const { id } of [member, unproven]) await giveRole(api.owner, tenant, id, 'member');
    problem(await invite({ email: 'member@example.test' }), 409, 'invitation.member');
    assert.equal((await invite({ email: 'unproven@example.test' })).status, 201);
  });

  it('give no more than whoever invites has, and only owners make owners', async () => {
    const inviter = api.tokenOf({
      tenantId: tenant,
      actor: { type: 'user', id: newId() },
      permissions: ['invitations.read', 'invitations.write'],
    });
    problem(await invite({ email: 'up@example.test', roles: ['administrator'] }, inviter), 403, 'permission.missing');
    assert.equal((await invite({ email: 'level@example.test', roles: ['member'] }, inviter)).status, 201);
    const all = api.tokenOf({ tenantId: tenant, actor: { type: 'user', id: newId() }, permissions: ALL_PERMISSIONS });
    problem(await invite({ email: 'up@example.test', roles: ['owner'] }, all), 403, 'role.owners_only');
    problem(await invite({ email: 'up@example.test', attributes: { a: 1 } }, inviter), 403, 'permission.missing');
    const platform = api.tokenOf({ tenantId: api.rootTenantId, platform: true });
    assert.equal((await invite({ email: 'up@example.test', roles: ['owner'] }, platform)).status, 201);
    const { rows } = await api.owner.query(`select tenant_id from invitations where email = 'up@example.test'`);
    assert.deepEqual(rows, [{ tenant_id: tenant }]);
  });

  it('G7: of another tenant are unknown, at its own path and at mine, and stay as they are', async () => {
    const id = await made({ email: 'mine@example.test' });
    const theirs = `/api/tenants/${other}/invitations`;
    const bodies = new Set<string>();
    const bare = ({ body: { requestId: _, ...rest }, status }: ApiAnswer): string => JSON.stringify([status, rest]);
    for (const method of ['GET', 'DELETE'])
      for (const at of [`${theirs}/${id}`, `${theirs}/${newId()}`]) bodies.add(bare(await api.call(foreigner, `${method} ${at}`)));
    for (const at of [`${theirs}/${id}`, `${theirs}/${newId()}`]) bodies.add(bare(await api.call(foreigner, `POST ${at}/resend`)));
    assert.equal(bodies.size, 1, [...bodies].join('\n'));
    const atMine = new Set<string>();
    for (const tenantId of [tenant, newId()])
      for (const [signature, options] of [
        [`GET /api/tenants/${tenantId}/invitations`, {}],
        [`POST /api/tenants/${tenantId}/invitations`, { body: { email: 'x@example.test' } }],
        [`GET /api/tenants/${tenantId}/invitations/${id}`, {}],
        [`DELETE /api/tenants/${tenantId}/invitations/${id}`, {}],
        [`POST /api/tenants/${tenantId}/invitations/${id}/resend`, {}],
      ] as const)
        atMine.add(bare(await api.call(foreigner, signature, options)));
    assert.equal(atMine.size, 1, [...atMine].join('\n'));
    assert.match([...atMine][0]!, /404.*tenant\.not_found/);
    assert.equal((await api.call(admin, `GET ${path}/${id}`)).body['status'], 'pending');
  });

  it('G2: show their secret to nobody but the address: no answer, row, audit event or list has it', async () => {
    const id = await made({ email: 'secret@example.test' });
    const first = api.secretFor('secret@example.test');
    const sent = await api.call(admin, `POST ${path}/${id}/resend`);
    assert.equal(sent.body['sentCount'], 2, sent.text);
    const second = api.secretFor('secret@example.test');
    assert.notEqual(first, second);
    const answers = [sent.text, (await api.call(admin, `GET ${path}/${id}`)).text, (await api.call(admin, `GET ${path}?limit=200`)).text];
    const { rows } = await api.owner.query(`select (select json_agg(i)::text from (select to_jsonb(i) - 'secret_hash' from invitations i) i)
      || (select json_agg(a)::text from audit_events a) as text`);
    for (const text of [...answers, String(rows[0].text)])
      for (const secret of [first, second])
        for (const form of [secret, sha256(secret), 'secretHash', 'secret_hash']) assert.ok(!text.includes(form), form);
  });

  it('are sent again five times in a day, with the time they had at first; the links before are dead', async () => {
    const id = await made({ email: 'again@example.test', expiresInSeconds: 120 });
    const { token } = await api.addPerson('again@example.test');
    const old = api.secretFor('again@example.test');
    await api.owner.query(`update invitations set expires_at = clock_timestamp() - interval '1 second' where id = $1`, [id]);
    await api.owner.query(`update invitations set sent_at = expires_at - interval '2 minutes' where id = $1`, [id]);
    for (let count = 2; count <= 6; count += 1) {
      const sent = await api.call(admin, `POST ${path}/${id}/resend`);
      assert.deepEqual([sent.status, sent.body['status'], sent.body['sentCount']], [200, 'pending', count], sent.text);
      assert.equal(Date.parse(String(sent.body['expiresAt'])) - Date.parse(String(sent.body['sentAt'])), 120_000);
    }
    const held = await api.call(admin, `POST ${path}/${id}/resend`);
    assert.equal(held.status, 429);
    assert.ok(Number(held.headers.get('retry-after')) > 3600);
    problem(await api.call(token, 'POST /api/me/invitations/accept', { body: { secret: old } }), 404, 'invitation.not_found');
    const now = await api.call(token, 'POST /api/me/invitations/accept', { body: { secret: api.secretFor('again@example.test') } });
    assert.equal(now.status, 200, now.text);
  });

  it('count against the limit while they are open: expired ones make room by the clock', async () => {
    const here = `/api/tenants/${other}/invitations`;
    await api.owner.query(`select set_tenant_limit($1, 'invitations', 2)`, [other]);
    const burst = await Promise.all(
      Array.from({ length: 8 }, (_, index) => api.call(foreigner, `POST ${here}`, { body: { email: `n${index}@example.test` } })),
    );
    assert.equal(burst.filter(({ status }) => status === 201).length, 2, burst.map(({ text }) => text).join('\n'));
    for (const answer of burst.filter(({ status }) => status !== 201)) problem(answer, 409, 'limit.reached');
    await api.owner.query(
      `update invitations set expires_at = clock_timestamp() - interval '1 second' where id in
      (select id from invitations where tenant_id = $1 limit 1)`,
      [other],
    );
    const next = await api.call(foreigner, `POST ${here}`, { body: { email: 'room@example.test' } });
    assert.equal(next.status, 201, next.text);
    problem(await api.call(foreigner, `POST ${here}`, { body: { email: 'more@example.test' } }), 409, 'limit.reached');
  });

  it('are forgotten 90 days after their time, and with the person who accepted', async () => {
    const old = await made({ email: 'old@example.test' });
    const recent = await made({ email: 'recent@example.test' });
    const person = await api.addPerson('erased@example.test');
    const accepted = await made({ email: 'erased@example.test' });
    assert.equal((await api.call(person.token, `POST /api/me/invitations/${accepted}/accept`)).status, 200);
    await api.owner.query(`update invitations set expires_at = now() - interval '91 days' where id = $1`, [old]);
    await api.owner.query(`update invitations set expires_at = now() - interval '89 days' where id = $1`, [recent]);
    assert.equal((await sweepExpired(api.db))['invitations'], 1);
    await api.owner.query('delete from users where id = $1', [person.id]);
    const left = async (id: string): Promise<number> => (await api.call(admin, `GET ${path}/${id}`)).status;
    assert.deepEqual([await left(old), await left(recent), await left(accepted)], [404, 200, 404]);
  });

  it('K1: name the tenant and whoever invites as text, on one line, and link to nothing but the page', async () => {
    const evil = '<a href=//evil.test>click</a>\r\nBcc: x@evil.test https://evil.test';
    const inviter = newId();
    await api.owner.query('update tenants set name = $2 where id = $1', [tenant, evil]);
    await api.owner.query(`insert into users (id, home_tenant_id, given_name, family_name) values ($1, $2, $3, '')`, [
      inviter,
      tenant,
      evil,
    ]);
    try {
      const token = api.tokenOf({ tenantId: tenant, actor: { type: 'user', id: inviter } });
      assert.equal((await invite({ email: 'k1@example.test' }, token)).status, 201);
      const mail = api.mails.at(-1)!;
      assert.doesNotMatch(mail.subject, /[\r\n]/);
      assert.deepEqual(
        [...mail.html.matchAll(/href="([^"]*)"/g)].map(([, href]) => href),
        [`https://base.test/account/invitations/${api.secretFor('k1@example.test')}`],
      );
      assert.ok(mail.html.includes('&lt;a href='));
      for (const text of [mail.text, mail.html, mail.subject]) assert.doesNotMatch(text, /\/\/evil|evil\.test/);
    } finally {
      await api.owner.query(`update tenants set name = 'A' where id = $1`, [tenant]);
    }
  });
});
