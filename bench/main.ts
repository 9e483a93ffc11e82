/**
 * `npm run bench`: bare oidc-provider with its memory adapter, and Gatehouse on PostgreSQL, in the same run, round by round in turn, with the same keys.
 * Prints requests per CPU-second of the server process, medians, their ratio and the SQL round trips, as a table or with `--json`. It gates nothing.
 * `--rounds N` (default 5), `--sanity` (one short round, for continuous integration).
 */
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import argon2 from 'argon2';
import { BESIDE, BESIDE_BUDGET, SIGN_INS_PER_SECOND, signInsBesideTokens, TOKENS_PER_SECOND } from './beside.ts';
import { measure, median, type Sample } from './load.ts';
import { OPERATIONS, SIGN_IN, type Target } from './operations.ts';
import { startTargets } from './targets.ts';

const { values: options } = parseArgs({
  options: { json: { type: 'boolean' }, sanity: { type: 'boolean' }, rounds: { type: 'string', default: '5' }, only: { type: 'string' } },
});
const rounds = options.sanity ? 1 : Number(options.rounds);
const scale = options.sanity ? 0.05 : 1;
// Both are compared as they run for long: compiled, and with full caches.
const warmUpRounds = options.sanity ? 0 : 4;

interface Row {
  operation: string;
  bare: number;
  gatehouse: number;
  ratio: number;
  cpuRatio: number;
  cpuRatioWithoutHash?: number;
  statementsPerRequest: number;
  p50Ms: { bare: number; gatehouse: number };
  budget: string;
}

const BUDGETS: Readonly<Record<string, string>> = {
  discovery: '> 1 x, 0 SQL',
  'client_credentials RS256': '>= 0.8 x, 1 SQL',
  'client_credentials ES256': '>= 0.8 x, 1 SQL',
  'code exchange': '>= 0.6 x, <= 3 SQL',
  refresh: '>= 0.6 x, <= 3 SQL',
  introspection: '>= 0.5 x, <= 2 SQL',
  userinfo: '>= 0.5 x, <= 2 SQL',
};
const SIGN_IN_BUDGET = '<= 2.2 x CPU without the hash, <= 30 SQL';

/** CPU seconds of one password check on the machine as it is now, with as many at once as the server allows itself: two cost more than twice one. */
async function hashCpuSeconds(): Promise<number> {
  const hash = await argon2.hash('bench', { type: argon2.argon2id, memoryCost: 19_456, timeCost: 2, parallelism: 1 });
  const [atOnce, each] = [Math.min(availableParallelism(), 2), options.sanity ? 2 : 15];
  const before = process.cpuUsage();
  await Promise.all(
    Array.from({ length: atOnce }, async () => {
      for (let n = 0; n < each; n++) await argon2.verify(hash, 'bench');
    }),
  );
  const used = process.cpuUsage(before);
  return (used.user + used.system) / 1e6 / (atOnce * each);
}

async function round(target: Target, name: string): Promise<{ sample: Sample; statements: number }> {
  const operation = OPERATIONS.find((one) => one.name === name)!;
  const requests = Math.max(4, Math.round(operation.requests * scale));
  const once = await operation.prepare(target, requests);
  const before = await target.statements();
  const sample = await measure(target.pid, requests, 8, once);
  const after = await target.statements();
  return { sample, statements: before === undefined || after === undefined ? 0 : (after - before) / requests };
}

const targets = await startTargets();
try {
  const hashes = [await hashCpuSeconds()];
  const rows: Row[] = [];
  for (const { name } of OPERATIONS.filter((one) => !options.only || one.name.includes(options.only))) {
    const samples = { bare: [] as Sample[], gatehouse: [] as Sample[] };
    const statements: number[] = [];
    for (let n = 0; n < warmUpRounds; n++) for (const target of targets.all) await round(target, name);
    for (let n = 0; n < rounds; n++) {
      for (const target of n % 2 ? [...targets.all].reverse() : targets.all) {
        const result = await round(target, name);
        samples[target.name].push(result.sample);
        if (target.name === 'gatehouse') statements.push(result.statements);
        if (target.name === 'gatehouse' && name.startsWith(SIGN_IN)) hashes.push(await hashCpuSeconds());
      }
    }
    const per = (which: 'bare' | 'gatehouse'): number => median(samples[which].map((one) => one.perCpuSecond));
    const cpu = (which: 'bare' | 'gatehouse'): number => median(samples[which].map((one) => one.cpuSeconds / one.requests));
    rows.push({
      operation: name,
      bare: per('bare'),
      gatehouse: per('gatehouse'),
      ratio: per('gatehouse') / per('bare'),
      cpuRatio: cpu('gatehouse') / cpu('bare'),
      ...(name.startsWith(SIGN_IN) ? { cpuRatioWithoutHash: (cpu('gatehouse') - median(hashes)) / cpu('bare') } : {}),
      statementsPerRequest: median(statements),
      p50Ms: { bare: median(samples.bare.map((one) => one.p50Ms)), gatehouse: median(samples.gatehouse.map((one) => one.p50Ms)) },
      budget: name.startsWith(SIGN_IN) ? SIGN_IN_BUDGET : (BUDGETS[name] ?? ''),
    });
    if (!options.json) process.stderr.write(`${name} done\n`);
  }
  const gatehouse = targets.all.find(({ name }) => name === 'gatehouse')!;
  const isWanted = !options.only || BESIDE.includes(options.only);
  const beside = isWanted ? await signInsBesideTokens(gatehouse, options.sanity ? 2 : 20) : undefined;
  if (options.json) {
    console.log(JSON.stringify({ rounds, hashCpuMs: median(hashes) * 1000, rows, ...(beside ? { beside } : {}) }, null, 2));
  } else {
    console.log(
      `requests per CPU-second of the server process, medians of ${rounds} rounds; one password hash costs ${(median(hashes) * 1000).toFixed(1)} ms CPU`,
    );
    console.log('operation                       bare  gatehouse  ratio   SQL  p50 ms bare / ours  budget');
    for (const row of rows) {
      const ratio = row.cpuRatioWithoutHash === undefined ? `${row.ratio.toFixed(2)} x` : `${row.cpuRatioWithoutHash.toFixed(2)} x CPU`;
      console.log(
        `${row.operation.padEnd(28)} ${row.bare.toFixed(0).padStart(7)} ${row.gatehouse.toFixed(0).padStart(10)}  ${ratio.padEnd(10)} ${row.statementsPerRequest.toFixed(1).padStart(4)}  ${`${row.p50Ms.bare.toFixed(1)} / ${row.p50Ms.gatehouse.toFixed(1)}`.padEnd(19)}  ${row.budget}`,
      );
    }
    if (beside) {
      const { tokens, signIns } = beside;
      console.log(
        `${BESIDE}: ${SIGN_INS_PER_SECOND} sign-ins a second (p50 ${signIns.p50Ms.toFixed(0)} ms, p95 ${signIns.p95Ms.toFixed(0)} ms) beside ${TOKENS_PER_SECOND} tokens a second: p50 ${tokens.p50Ms.toFixed(1)} ms, p95 ${tokens.p95Ms.toFixed(1)} ms, p99 ${tokens.p99Ms.toFixed(1)} ms; budget: ${BESIDE_BUDGET}`,
      );
    }
  }
} finally {
  await targets.stop();
}
