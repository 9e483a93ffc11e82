import { generate } from 'otplib';
import { epochSeconds } from '#src/core/clock.ts';
import { newId } from '#src/core/ids.ts';
import { hashRecoveryCodes } from '#src/features/factors/recovery-codes.ts';
import type { LoginMethod } from '#src/login/method.ts';
import { external2faMethod } from '#src/login/methods/external-2fa.ts';
import { externalOidcMethod } from '#src/login/methods/external-oidc.ts';
import { createProviderClient, type ProviderClient } from '#src/login/second-factor-provider.ts';
import { createServiceClient, type ServiceClient } from '#src/login/second-factor-service.ts';
import { createUpstreams } from '#src/login/social/upstreams.ts';
import { type FakeSecondFactor, startSecondFactorService } from '#test/support/second-factor-service.ts';
import { CLIENT_ID, CLIENT_SECRET, type FakeUpstream, startUpstream } from '#test/support/upstream.ts';
import { secondFactorContract } from '../contract/second-factor.ts';
import { createHarness, type Harness, type TestPerson } from './harness.ts';

const SEED = 'JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP';
const RECOVERY = 'abcde-fghjk';
const INSERT = 'insert into credentials (id, user_id, type, data, sealed) values ($1, $2, $3, $4, $5)';

async function giveTotp(h: Harness, { id }: TestPerson): Promise<void> {
  const credential = newId();
  const sealed = h.box.seal(SEED, `credential:${credential}`);
  await h.db.query({ name: 'test-factor', text: INSERT }, [credential, id, 'totp', '{"lastStep":0}', sealed]);
}

secondFactorContract({
  id: 'totp',
  create: () => createHarness(),
  equip: giveTotp,
  right: async (h) => ({ code: await generate({ secret: SEED, epoch: epochSeconds(h.clock.now()) }) }),
  wrong: { code: '12345x' },
});

secondFactorContract({
  id: 'recovery-code',
  create: () => createHarness(),
  async equip(h, person) {
    await giveTotp(h, person);
    const data = JSON.stringify(hashRecoveryCodes(h.box, person.id, [RECOVERY, 'zzzzz-yyyyy']));
    await h.db.query({ name: 'test-factor', text: INSERT }, [newId(), person.id, 'recovery-code', data, null]);
  },
  right: async () => ({ code: RECOVERY }),
  wrong: { code: 'aaaaa-bbbbb' },
});

let fake: FakeSecondFactor;
let client: ServiceClient;
secondFactorContract({
  id: 'external-2fa',
  async create() {
    fake = await startSecondFactorService();
    client = createServiceClient({ fetch });
    const service = { kind: 'http', revision: newId(), url: fake.url(), token: fake.token, roles: [], whenUnavailable: 'refuse' } as const;
    const method = external2faMethod({ client, serviceOf: async ({ homeTenantId: tenantId }) => ({ ...service, tenantId }) });
    return createHarness(() => [method as unknown as LoginMethod]);
  },
  equip: async () => {},
  right: async (_h, { id }) => ({ code: fake.codeFor(id) }),
  wrong: { code: 'ok-1' },
  async close() {
    client.close();
    await fake.close();
  },
});

let upstream: FakeUpstream;
let provider: ProviderClient;
secondFactorContract({
  id: 'external-oidc',
  async create() {
    upstream = await startUpstream();
    const { fetch } = upstream;
    return createHarness(({ clock }) => {
      provider = createProviderClient({ fetch, upstreams: createUpstreams({ fetch, clock }) });
      const service = {
        kind: 'oidc',
        revision: newId(),
        issuer: upstream.issuer,
        clientId: CLIENT_ID,
        clientSecret: CLIENT_SECRET,
        subjectClaim: 'sub',
        acrValues: [],
        amrValues: [],
        maxAgeSeconds: 0,
        roles: [],
        whenUnavailable: 'refuse',
      } as const;
      const method = externalOidcMethod({ client: provider, serviceOf: async ({ homeTenantId: tenantId }) => ({ ...service, tenantId }) });
      return [method as unknown as LoginMethod];
    });
  },
  equip: async () => {},
  input: { external: { interaction: 'here' } },
  async right(h, { id }, redirect = '') {
    upstream.someone = { sub: id, more: { auth_time: Math.floor(h.clock.now().getTime() / 1000) } };
    const { url } = await upstream.authorize(redirect);
    return { external: { answer: [...url.searchParams] } };
  },
  wrong: {
    external: {
      answer: [
        ['code', 'made-up'],
        ['state', 'here.made-up'],
      ],
    },
  },
  async close() {
    provider.close();
    await upstream.close();
  },
});
