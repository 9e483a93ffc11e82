/** A company's own second-factor service, as our HTTP challenge and verify has it; it can be told to misbehave. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

export type Mood = 'well' | 'dead' | 'slow' | 'garbled' | 'no' | 'huge' | 'unsure' | 'limiting';

export interface FakeSecondFactor {
  /** `host:port`. */
  host: string;
  url(below?: string): string;
  token: string;
  mood: Mood;
  /** Whom it was asked for, in order; `path` is below which address. */
  challenges: { challengeId: string; userId: string; username?: string; purpose: string; tenantId: string; path: string }[];
  /** The codes that were shown to it, right and wrong. */
  verified: string[];
  /** Requests whose token was another. */
  strangers: number;
  connections: number;
  /** What the person's device shows for the newest challenge. */
  codeFor(userId: string): string;
  close(): Promise<void>;
}

export async function startSecondFactorService(): Promise<FakeSecondFactor> {
  const codes = new Map<string, string>();
  const server = createServer(async (req, res) => {
    let text = '';
    for await (const chunk of req) text += String(chunk);
    const answer = (status: number, body: unknown): void => {
      res.writeHead(status, { 'content-type': 'application/json' });
      res.end(typeof body === 'string' ? body : JSON.stringify(body));
    };
    if (req.headers.authorization !== `Bearer ${fake.token}`) {
      fake.strangers += 1;
      return answer(401, {});
    }
    const path = String(req.url);
    const isChallenge = path.endsWith('/challenge');
    const input = JSON.parse(text) as { challengeId: string; code?: string };
    if (isChallenge) fake.challenges.push({ ...(input as FakeSecondFactor['challenges'][number]), path });
    else fake.verified.push(String(input.code));
    if (fake.mood === 'dead') return answer(500, {});
    if (fake.mood === 'limiting') return answer(429, {});
    if (fake.mood === 'slow') return void setTimeout(() => answer(200, { ok: true }), 7000).unref();
    if (fake.mood === 'garbled') return answer(200, '{"ok": ');
    if (fake.mood === 'huge') return answer(200, JSON.stringify({ ok: true, more: 'x'.repeat(100_000) }));
    if (fake.mood === 'unsure') return answer(200, isChallenge ? { message: 7 } : { ok: 'true' });
    if (fake.mood === 'no') return isChallenge ? answer(404, {}) : answer(200, { ok: false });
    if (!isChallenge) return answer(200, { ok: codes.get(input.challengeId) === input.code, amr: ['otp', 'pwd', 'mfa'] });
    codes.set(input.challengeId, `ok-${codes.size + 1000}`);
    return answer(202, { message: 'Look at your <b>company</b> phone' });
  });
  server.on('connection', () => {
    fake.connections += 1;
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const fake: FakeSecondFactor = {
    host,
    url: (below = '') => `http://${host}${below}`,
    token: 'a-bearer-token-0123456789',
    mood: 'well',
    challenges: [],
    verified: [],
    strangers: 0,
    connections: 0,
    codeFor(userId) {
      const asked = fake.challenges.findLast((one) => one.userId === userId);
      return codes.get(asked?.challengeId ?? '') ?? 'none was asked for';
    },
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
  return fake;
}
