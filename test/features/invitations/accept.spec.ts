import assert from 'node:assert/strict';
import { newId } from '#src/core/ids.ts';
import { systemScope } from '#src/core/scope.ts';
import { inviteIn } from '#src/features/invitations/invite.ts';
import type { ApiAnswer } from '#test/support/api.ts';
import { takeViolations } from '#test/support/openapi-guard.ts';
import { type InvitationApi, startInvitationApi } from './start.ts';

describe('accepting an invitation', () => {
  let api: InvitationApi;
  let tenant: string;
  let admin: string;
  let path: string;
  let number = 0;
  before(async function () {
    this.timeout(60_000);
    api = await startInvitationApi();
    tenant = api.tenants[0];
    admin = api.tokenOf({ tenantId: tenant });
    path = `/api/tenants/${tenant}/invitations`;
  });
  after(() => api?.close());
  afterEach(() => assert.deepEqual(takeViolations(), []));

  async function invited(more: object = {}): Promise<{ id: string; email: string; secret: string }> {
    const email = `invited${++number}@example.test`;
    const answer = await api.call(admin, `POST ${path}`, { body: { email, ...more } });
    assert.equal(answer.status, 201, answer.text);
    return { id: String(answer.body['id']), email, secret: api.secretFor(email) };
  }
  const accept = (token: string, secret: string): Promise<ApiAnswer> =>
    api.call(token, 'POST /api/me/invitations/accept', { body: { secret } });
  const rolesOf = async (userId: string): Promise<string[] | undefined> => {
    const { rows } = await api.owner.query('select roles from memberships_of($1) where tenant_id = $2', [userId, tenant]);
    return rows[0]?.roles;
  };
  const status = async (id: string): Promise<unknown> => (await api.call(admin, `GET ${path}/${id}`)).body['status'];
  const recorded = async (id: string): Promise<string[]> => {
    const { rows } = await api.owner.query(
      `select type || coalesce(' ' || reason, '') as text from audit_events where target_id = $1 order by at, id`,
      [id],
    );
    return rows.map(({ text }) => text);
  };
  const problem = (answer: ApiAnswer, code: string, at = 404): void =>
    assert.deepEqual([answer.status, answer.body['code']], [at, code], answer.text);

  it('makes the person a member with roles and attributes, in the tenant that invites and in no other', async () => {
    const { id, email, secret } = await invited({ roles: ['administrator'], attributes: { department: 'HR' } });
    const person = await api.addPerson(email.toUpperCase());
    const answer = await accept(person.token, secret);
    assert.deepEqual([answer.status, answer.body], [200, { id, tenantId: tenant, status: 'accepted', roles: ['administrator'] }]);
    const { rows } = await api.owner.query('select attributes from memberships where user_id = $1 and tenant_id = $2', [person.id, tenant]);
    assert.deepEqual(rows, [{ attributes: { department: 'HR' } }]);
    assert.deepEqual(await rolesOf(person.id), ['administrator']);
    const shown = await api.call(admin, `GET ${path}/${id}`);
    assert.deepEqual([shown.body['status'], shown.body['acceptedBy']], ['accepted', person.id]);
    assert.deepEqual(await recorded(id), ['invitation.created', 'invitation.accepted']);
  });

  it('needs no secret for who has proven the address: the list of their own says what is open', async () => {
    const [one, two] = [await invited(), await invited()];
    const person = await api.addPerson(one.email);
    const list = await api.call(person.token, 'GET /api/me/invitations');
    const items = list.body['items'] as unknown as Record<string, unknown>[];
    assert.deepEqual(
      items.map((item) => [item['id'], item['tenantId'], item['tenantName'], item['roles']]),
      [[one.id, tenant, 'A', ['member']]],
    );
    problem(await api.call(person.token, `POST /api/me/invitations/${two.id}/accept`), 'invitation.not_found');
    problem(await api.call(person.token, `POST /api/me/invitations/${newId()}/accept`), 'invitation.not_found');
    assert.equal((await api.call(person.token, `POST /api/me/invitations/${one.id}/accept`)).status, 200);
    assert.deepEqual((await api.call(person.token, 'GET /api/me/invitations')).body, { items: [], nextCursor: null });
    const again = await api.addPerson(two.email);
    const no = await api.call(again.token, `POST /api/me/invitations/${two.id}/decline`);
    assert.deepEqual([no.status, no.body['status'], await status(two.id)], [200, 'declined', 'declined']);
    problem(await accept(again.token, two.secret), 'invitation.not_found');
    assert.deepEqual(await rolesOf(again.id), undefined);
  });

  it('G1: an invented or altered secret opens nothing, and a body cannot name tenant, address or roles', async () => {
    const { id, email, secret } = await invited();
    const { token } = await api.addPerson(email);
    for (const wrong of ['x', 'A'.repeat(43), `${secret.slice(0, -1)}${secret.endsWith('A') ? 'B' : 'A'}`, `${secret}.`])
      problem(await accept(token, wrong), 'invitation.not_found');
    for (const more of [{ tenantId: api.tenants[1] }, { email: 'x@example.test' }, { roles: ['owner'] }, { userId: newId() }]) {
      const answer = await api.call(token, 'POST /api/me/invitations/accept', { body: { secret, ...more } });
      assert.equal(answer.status, 422, answer.text);
    }
    assert.equal(await status(id), 'pending');
  });

  it('G3: past its time it is refused by the clock, whatever the row says, and no job has to run', async () => {
    const { id, email, secret } = await invited();
    const { token, id: userId } = await api.addPerson(email);
    await api.owner.query(`update invitations set expires_at = clock_timestamp() - interval '1 millisecond' where id = $1`, [id]);
    const { rows } = await api.owner.query('select status from invitations where id = $1', [id]);
    assert.deepEqual(rows, [{ status: 'pending' }]);
    problem(await accept(token, secret), 'invitation.not_found');
    problem(await api.call(token, `POST /api/me/invitations/${id}/accept`), 'invitation.not_found');
    assert.deepEqual((await api.call(token, 'GET /api/me/invitations')).body['items'], []);
    assert.equal(await status(id), 'expired');
    assert.deepEqual(await rolesOf(userId), undefined);
    assert.ok((await api.call(admin, `GET ${path}?status=expired`)).text.includes(id));
  });

  it('G5: somebody with the same address unproven is refused, with the secret and without', async () => {
    const { id, email, secret } = await invited({ roles: ['administrator'] });
    const squatter = await api.addPerson(email, { verified: false });
    problem(await accept(squatter.token, secret), 'invitation.address_unproven', 403);
    problem(await api.call(squatter.token, `POST /api/me/invitations/${id}/accept`), 'invitation.not_found');
    problem(await api.call(squatter.token, `POST /api/me/invitations/${id}/decline`), 'invitation.not_found');
    assert.deepEqual((await api.call(squatter.token, 'GET /api/me/invitations')).body['items'], []);
    assert.deepEqual([await status(id), await rolesOf(squatter.id)], ['pending', undefined]);
    assert.deepEqual(await recorded(id), ['invitation.created', 'invitation.refused invitation.address_unproven']);
    await api.owner.query('update users set email_verified_at = now() where id = $1', [squatter.id]);
    assert.equal((await accept(squatter.token, secret)).status, 200);
  });

  it('G18: the secret in somebody else’s hands opens nothing, even after they change their address meanwhile', async () => {
    const { id, email, secret } = await invited();
    const thief = await api.addPerson('thief@example.test');
    problem(await accept(thief.token, secret), 'invitation.other_address', 403);
    const takes = (address: string, proven: boolean) =>
      api.owner.query('update users set email = $2, email_key = $2, email_verified_at = case when $3 then now() end where id = $1', [
        thief.id,
        address,
        proven,
      ]);
    await takes(email, false);
    problem(await accept(thief.token, secret), 'invitation.address_unproven', 403);
    await takes('thief.again@example.test', true);
    problem(await accept(thief.token, secret), 'invitation.other_address', 403);
    assert.equal(await status(id), 'pending');
    assert.deepEqual(await rolesOf(thief.id), undefined);
  });

  it('happens once: of twenty at the same instant one is recorded, and the person is told the same again', async () => {
    const { id, email, secret } = await invited({ roles: ['administrator'] });
    const { token, id: userId } = await api.addPerson(email);
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        index % 2 ? accept(token, secret) : api.call(token, `POST /api/me/invitations/${id}/accept`),
      ),
    );
    for (const { status: code, body } of answers)
      assert.ok(code === 200 || (code === 404 && String(body['code']) === 'invitation.not_found'), String(code));
    assert.ok(answers.some(({ status: code }) => code === 200));
    assert.equal((await recorded(id)).filter((text) => text === 'invitation.accepted').length, 1);
    const { rows } = await api.owner.query('select count(*)::int as count from role_assignments where user_id = $1 and tenant_id = $2', [
      userId,
      tenant,
    ]);
    assert.deepEqual(rows, [{ count: 1 }]);
    assert.equal((await accept(token, secret)).status, 200);
    const other = await api.addPerson('late@example.test');
    problem(await accept(other.token, secret), 'invitation.other_address', 403);
  });

  it('races with taking back: one of the two happens, never both', async function () {
    this.timeout(20_000);
    for (let round = 0; round < 8; round += 1) {
      const { id, email, secret } = await invited();
      const { token, id: userId } = await api.addPerson(email);
      const [accepted, revoked] = await Promise.all([accept(token, secret), api.call(admin, `DELETE ${path}/${id}`)]);
      assert.notEqual(accepted.status === 200, revoked.status === 200, `${accepted.text} ${revoked.text}`);
      assert.equal((await rolesOf(userId)) !== undefined, accepted.status === 200);
      assert.equal(await status(id), accepted.status === 200 ? 'accepted' : 'revoked');
      assert.equal((await recorded(id)).filter((text) => /accepted|revoked/.test(text)).length, 1);
    }
  });

  it('waits where the tenant is full or suspended, and stays open', async () => {
    const { id, email, secret } = await invited();
    const { token, id: userId } = await api.addPerson(email);
    await api.owner.query(`select set_tenant_limit($1, 'members', (select count(*) from memberships where tenant_id = $1))`, [tenant]);
    const full = await accept(token, secret);
    assert.deepEqual([full.status, full.body['code'], full.body['limit']], [409, 'limit.reached', 'members'], full.text);
    await api.owner.query(`select set_tenant_limit($1, 'members', null)`, [tenant]);
    await api.owner.query(`update tenants set status = 'suspended' where id = $1`, [tenant]);
    problem(await accept(token, secret), 'tenant.inactive', 403);
    await api.owner.query(`update tenants set status = 'active' where id = $1`, [tenant]);
    assert.deepEqual([await status(id), await rolesOf(userId)], ['pending', undefined]);
    assert.equal((await accept(token, secret)).status, 200);
  });

  it('leaves out a role that was deleted meanwhile, and keeps what a member has', async () => {
    const roleId = newId();
    await api.owner.query(`insert into roles (id, tenant_id, name) values ($1, $2, 'fleeting'), (gen_random_uuid(), $2, 'lasting')`, [
      roleId,
      tenant,
    ]);
    const { id, email, secret } = await invited({ roles: ['fleeting', 'lasting'] });
    await api.owner.query('delete from roles where id = $1', [roleId]);
    assert.deepEqual((await api.call(admin, `GET ${path}/${id}`)).body['roles'], ['lasting']);
    const person = await api.addPerson(email);
    await api.owner.query(`insert into memberships (tenant_id, user_id, attributes) values ($1, $2, '{"a": 1}')`, [tenant, person.id]);
    assert.equal((await accept(person.token, secret)).status, 200);
    assert.deepEqual(await rolesOf(person.id), ['lasting']);
    const { rows } = await api.owner.query('select attributes from memberships where tenant_id = $1 and user_id = $2', [tenant, person.id]);
    assert.deepEqual(rows, [{ attributes: { a: 1 } }]);
  });

  it('works for an invitation that a job made, whose link leads to the base issuer', async () => {
    const scope = systemScope(tenant, 'import', ['attributes.write']);
    const row = await api.transact({ ...scope, request: { ...scope.request, issuer: '' } }, (work) =>
      inviteIn(
        api.deps,
        work,
        { ...scope, request: { ...scope.request, issuer: '' } },
        { email: 'job@example.test', attributes: { a: 1 } },
      ),
    );
    assert.deepEqual([row.invited_by, row.roles], ['system:import', ['member']]);
    assert.match(api.mails.at(-1)!.text, /https:\/\/base\.test\/account\/invitations\//);
    const { token } = await api.addPerson('job@example.test');
    assert.equal((await accept(token, api.secretFor('job@example.test'))).status, 200);
  });
});
