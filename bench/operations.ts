/** The operations that are measured, each written once and run against both servers. */
import { basic, expectStatus, Jar, pkce, type Wire } from './client.ts';

export interface Target {
  name: 'bare' | 'gatehouse';
  pid: number;
  wire: Wire;
  web: { id: string; secret: string };
  machine: { id: string; secret: string };
  redirectUri: string;
  endpoints: { authorization: string; token: string; introspection: string; userinfo: string };
  login: string;
  password: string;
  /** Statements sent to the database since the start; undefined where there is none. */
  statements(): Promise<number | undefined>;
}

export interface Operation {
  name: string;
  /** Requests a round; sign-in is dear. */
  requests: number;
  /** What one round needs beforehand, not measured. Answers the step that is. */
  prepare(target: Target, requests: number): Promise<(n: number) => Promise<void>>;
}

const API = 'https://api.bench.test';
let visitor = 0;

/** Of a few servers, as of a relying party's own. */
const servers = Array.from({ length: 32 }, (_, n) => ({ 'x-forwarded-for': `12.1.0.${n}` }));
function fromServer(): Record<string, string> {
  visitor += 1;
  return servers[visitor % servers.length]!;
}

/** Addresses that differ, so that the limits stay on at their production values and hold nobody up. */
function from(): Record<string, string> {
  visitor = (visitor + 1) % 16_000_000;
  return { 'x-forwarded-for': `11.${(visitor >> 16) & 255}.${(visitor >> 8) & 255}.${visitor & 255}` };
}

export interface Redeemable {
  code: string;
  verifier: string;
}

/** Walks from the authorization endpoint to the code, through the sign-in page where one is shown. */
export async function authorize(target: Target, jar: Jar): Promise<Redeemable> {
  const { verifier, challenge } = pkce();
  const address = from();
  const query = new URLSearchParams({
    client_id: target.web.id,
    response_type: 'code',
    redirect_uri: target.redirectUri,
    scope: 'openid profile offline_access',
    code_challenge: challenge,
    code_challenge_method: 'S256',
    state: 'bench',
  });
  let answer = await target.wire.send('GET', `${target.endpoints.authorization}?${query}`, address, undefined, jar);
  for (let steps = 0; steps < 12; steps++) {
    if (answer.location?.startsWith(target.redirectUri)) {
      const code = new URL(answer.location).searchParams.get('code');
      if (!code) throw new Error(`no code: ${answer.location}`);
      return { code, verifier };
    }
    if (answer.location) {
      const next = new URL(answer.location, target.wire.origin);
      answer = await target.wire.send('GET', next.pathname + next.search, address, undefined, jar);
      continue;
    }
    expectStatus(answer, 200, 'sign-in page');
    const form = mainForm(answer.body);
    answer = await target.wire.send('POST', form.action, address, { ...form.hidden, login: target.login, password: target.password }, jar);
  }
  throw new Error('the sign-in does not end');
}

function mainForm(html: string): { action: string; hidden: Record<string, string> } {
  const form = [...html.matchAll(/<form\b[^>]*>[\s\S]*?<\/form>/g)].map(([text]) => text).find((text) => text.includes('name="password"'));
  if (!form) throw new Error(`no sign-in form: ${html.slice(0, 300)}`);
  const decode = (text: string): string =>
    text.replaceAll('&quot;', '"').replaceAll('&#39;', "'").replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&amp;', '&');
  const hidden = Object.fromEntries(
    [...form.matchAll(/<input\b[^>]*>/g)]
      .map(([tag]) => ({
        type: /\btype="([^"]*)"/.exec(tag)?.[1],
        name: /\bname="([^"]*)"/.exec(tag)?.[1],
        value: /\bvalue="([^"]*)"/.exec(tag)?.[1] ?? '',
      }))
      .filter(({ type, name }) => type === 'hidden' && name)
      .map(({ name, value }) => [name!, decode(value)]),
  );
  return { action: decode(/\baction="([^"]*)"/.exec(form)?.[1] ?? ''), hidden };
}

export async function redeem(target: Target, { code, verifier }: Redeemable): Promise<{ access_token: string; refresh_token: string }> {
  const answer = await target.wire.send(
    'POST',
    target.endpoints.token,
    { ...basic(target.web.id, target.web.secret), ...fromServer() },
    {
      grant_type: 'authorization_code',
      code,
      code_verifier: verifier,
      redirect_uri: target.redirectUri,
    },
  );
  return JSON.parse(expectStatus(answer, 200, 'code exchange').body) as { access_token: string; refresh_token: string };
}

async function codes(target: Target, count: number): Promise<Redeemable[]> {
  const jar = new Jar();
  const made = [await authorize(target, jar)];
  while (made.length < count) made.push(await authorize(target, jar));
  return made;
}

const clientCredentials = (alg: 'rs256' | 'es256', requests: number): Operation => ({
  name: `client_credentials ${alg.toUpperCase()}`,
  requests,
  async prepare(target) {
    return async () => {
      expectStatus(
        await target.wire.send(
          'POST',
          target.endpoints.token,
          { ...basic(target.machine.id, target.machine.secret), ...fromServer() },
          {
            grant_type: 'client_credentials',
            resource: `${API}/${alg}`,
            scope: 'read',
          },
        ),
        200,
        `client_credentials ${alg}`,
      );
    };
  },
});

/** Begins every operation that is one. */
export const SIGN_IN = 'whole sign-in';

/** From the authorization endpoint to the tokens. `devices` answers what a visitor's browser has kept from before. */
const wholeSignIn = (name: string, devices: (target: Target) => Promise<(n: number) => Jar>): Operation => ({
  name,
  requests: 60,
  async prepare(target) {
    const device = await devices(target);
    return async (n) => {
      await redeem(target, await authorize(target, device(n)));
    };
  },
});

const homes = new Map<Target, readonly Jar[]>();

/** Browsers that were signed in once, in all rounds the same. One after the other: an account takes few at once from strangers. */
async function homesAt(target: Target): Promise<readonly Jar[]> {
  const made: Jar[] = [];
  for (let n = 0; n < 8 && !homes.has(target); n += 1) {
    const jar = new Jar();
    await authorize(target, jar);
    made.push(jar);
  }
  if (!homes.has(target)) homes.set(target, made);
  return homes.get(target)!;
}

export const OPERATIONS: readonly Operation[] = [
  {
    name: 'discovery',
    requests: 3000,
    async prepare(target) {
      return async () => {
        expectStatus(await target.wire.send('GET', '/.well-known/openid-configuration'), 200, 'discovery');
      };
    },
  },
  clientCredentials('rs256', 600),
  clientCredentials('es256', 1000),
  {
    name: 'code exchange',
    requests: 150,
    async prepare(target, requests) {
      const ready = await codes(target, requests);
      return async (n) => {
        await redeem(target, ready[n]!);
      };
    },
  },
  {
    name: 'refresh',
    requests: 300,
    async prepare(target, requests) {
      const chains = 8;
      const tokens = await Promise.all((await codes(target, chains)).map((one) => redeem(target, one)));
      const held = tokens.map((one) => one.refresh_token);
      const busy = held.map(() => Promise.resolve());
      return async (n) => {
        const chain = n % chains;
        const turn = busy[chain]!.then(async () => {
          const answer = await target.wire.send(
            'POST',
            target.endpoints.token,
            { ...basic(target.web.id, target.web.secret), ...fromServer() },
            {
              grant_type: 'refresh_token',
              refresh_token: held[chain]!,
            },
          );
          held[chain] = (
            JSON.parse(expectStatus(answer, 200, `refresh ${n} of ${requests}`).body) as { refresh_token: string }
          ).refresh_token;
        });
        busy[chain] = turn;
        await turn;
      };
    },
  },
  {
    name: 'introspection',
    requests: 1000,
    async prepare(target) {
      const [one] = await codes(target, 1);
      const { access_token } = await redeem(target, one!);
      return async () => {
        const answer = await target.wire.send(
          'POST',
          target.endpoints.introspection,
          { ...basic(target.web.id, target.web.secret), ...fromServer() },
          {
            token: access_token,
            token_type_hint: 'access_token',
          },
        );
        if (!expectStatus(answer, 200, 'introspection').body.includes('"active":true')) throw new Error('the token is not active');
      };
    },
  },
  {
    name: 'userinfo',
    requests: 1000,
    async prepare(target) {
      const [one] = await codes(target, 1);
      const { access_token } = await redeem(target, one!);
      return async () => {
        expectStatus(
          await target.wire.send('GET', target.endpoints.userinfo, { authorization: `Bearer ${access_token}`, ...fromServer() }),
          200,
          'userinfo',
        );
      };
    },
  },
  wholeSignIn(`${SIGN_IN}, known device`, async (target) => {
    const known = await homesAt(target);
    return (n) => known[n % known.length]!.only('gh_device');
  }),
  // A mail about it is queued too.
  wholeSignIn(`${SIGN_IN}, new device`, async () => () => new Jar()),
];
