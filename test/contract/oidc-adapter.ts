import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import type { AdapterFactory, AdapterPayload } from 'oidc-provider';

export interface AdapterUnderTest {
  /** The adapters of an issuer; `other` shares the storage and answers for another issuer. */
  adapters: AdapterFactory;
  other: AdapterFactory;
  clientId: string;
  userId: string;
  close(): Promise<void>;
}

const newId = (): string => randomBytes(16).toString('base64url');
const now = (): number => Math.floor(Date.now() / 1000);

/** What oidc-provider relies on in whatever stores for it, and what it does not say but needs: one use is one use. */
export function itIsAnOidcAdapter(start: () => Promise<AdapterUnderTest>): void {
  describe('as an adapter of oidc-provider', () => {
    let under: AdapterUnderTest;
    before(async () => {
      under = await start();
    });
    after(() => under.close());

    async function grant(): Promise<string> {
      const id = newId();
      const payload = {
        accountId: under.userId,
        clientId: under.clientId,
        openid: { scope: 'openid' },
        iat: now(),
        exp: now() + 60,
        jti: id,
        kind: 'Grant',
      };
      await under.adapters('Grant').upsert(id, payload as AdapterPayload, 60);
      return id;
    }
    const payloadOf = (kind: string, jti: string, more: object = {}): AdapterPayload =>
      ({ kind, jti, iat: now(), exp: now() + 60, clientId: under.clientId, accountId: under.userId, ...more }) as AdapterPayload;

    it('Interaction: an answer to one that is gone meanwhile does not bring it back', async () => {
      const adapter = under.adapters('Interaction');
      const id = newId();
      await adapter.upsert(id, payloadOf('Interaction', id), 60);
      const answered = payloadOf('Interaction', id, { result: { login: { accountId: under.userId } } });
      await adapter.upsert(id, answered, 60);
      assert.deepEqual((await adapter.find(id))?.result, answered.result);
      await adapter.destroy(id);
      await adapter.upsert(id, answered, 60);
      assert.equal(await adapter.find(id), undefined);
    });

    for (const model of [
      'AuthorizationCode',
      'RefreshToken',
      'AccessToken',
      'ClientCredentials',
      'PushedAuthorizationRequest',
      'Interaction',
      'Session',
      'Grant',
    ]) {
      it(`${model}: finds what was stored, under its id, and nothing once it was destroyed`, async () => {
        const adapter = under.adapters(model);
        const id = newId();
        const payload = payloadOf(model, id, model === 'Session' ? { uid: newId(), authorizations: {} } : { scope: 'openid "ä" \u2028' });
        assert.equal(await adapter.find(id), undefined);
        await adapter.upsert(id, payload, 60);
        const found = await adapter.find(id);
        assert.deepEqual(found && { ...found }, payload);
        assert.equal(await under.other(model).find(id), undefined, 'another issuer knows nothing of it');
        assert.equal(await adapter.find(`${id}x`), undefined);
        await adapter.destroy(id);
        assert.equal(await adapter.find(id), undefined);
        await adapter.destroy(id);
      });
    }

    for (const model of ['AuthorizationCode', 'RefreshToken', 'PushedAuthorizationRequest']) {
      it(`${model}: is consumed once, also by ten at the same instant, and found as consumed afterwards`, async () => {
        const adapter = under.adapters(model);
        const id = newId();
        await adapter.upsert(id, payloadOf(model, id), 60);
        const outcomes = await Promise.allSettled(Array.from({ length: 10 }, () => adapter.consume(id)));
        assert.equal(outcomes.filter(({ status }) => status === 'fulfilled').length, 1);
        for (const outcome of outcomes)
          if (outcome.status === 'rejected') assert.equal((outcome.reason as { error?: string }).error, 'invalid_grant');
        const found = await adapter.find(id);
        assert.ok(found && Math.abs(Number(found.consumed) - now()) <= 2);
        await assert.rejects(adapter.consume(newId()));
      });
    }

    it('forgets everything of a grant with the grant, and stores nothing for a grant that is gone', async () => {
      const grantId = await grant();
      const kinds = ['AuthorizationCode', 'RefreshToken', 'AccessToken'];
      const ids = kinds.map(newId);
      for (const [i, kind] of kinds.entries()) await under.adapters(kind).upsert(ids[i]!, payloadOf(kind, ids[i]!, { grantId }), 60);
      await under.adapters('Grant').destroy(grantId);
      for (const [i, kind] of kinds.entries()) assert.equal(await under.adapters(kind).find(ids[i]!), undefined, kind);
      const late = newId();
      await assert.rejects(under.adapters('AccessToken').upsert(late, payloadOf('AccessToken', late, { grantId }), 60), {
        error: 'invalid_grant',
      });
    });

    it('revokes one kind of a grant’s tokens', async () => {
      const grantId = await grant();
      const [access, refresh] = [newId(), newId()];
      await under.adapters('AccessToken').upsert(access, payloadOf('AccessToken', access, { grantId }), 60);
      await under.adapters('RefreshToken').upsert(refresh, payloadOf('RefreshToken', refresh, { grantId }), 60);
      await under.adapters('AccessToken').revokeByGrantId(grantId);
      assert.equal(await under.adapters('AccessToken').find(access), undefined);
      assert.ok(await under.adapters('RefreshToken').find(refresh));
    });

    it('finds a session by its uid, and merges what two requests wrote at the same instant', async () => {
      const adapter = under.adapters('Session');
      const [id, uid] = [newId(), newId()];
      const session = (client: string) =>
        payloadOf('Session', id, {
          uid,
          loginTs: now(),
          authorizations: { [client]: { sid: `sid-${client}`, grantId: `grant-${client}` } },
        });
      await adapter.upsert(id, session('a'), 60);
      await Promise.all(['b', 'c', 'd'].map((client) => adapter.upsert(id, session(client), 60)));
      const found = (await adapter.findByUid(uid)) || undefined;
      assert.deepEqual(Object.keys(found?.authorizations ?? {}).sort(), ['a', 'b', 'c', 'd']);
      assert.equal(await adapter.findByUid(newId()), undefined);
      assert.equal(await under.other('Session').findByUid(uid), undefined);
      const handle = String(found?.jti);
      await adapter.destroy(handle);
      assert.equal(await adapter.find(id), undefined, 'what findByUid answers with can be destroyed');
    });

    it('finds nothing under an id that cannot be one', async () => {
      for (const id of ['', ' ', '\u0000', 'ä', 'x'.repeat(300), "' or 1=1 --"]) {
        for (const model of ['RefreshToken', 'AccessToken', 'Session', 'Grant', 'Client'])
          assert.equal(await under.adapters(model).find(id), undefined);
      }
    });
  });
}
