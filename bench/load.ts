/** Loads one operation with a bounded number of requests and says what it cost the server process. */
import { readFileSync } from 'node:fs';

const TICKS_PER_SECOND = 100;

/** CPU seconds, user and system, that a process has used (proc(5), fields 14 and 15). */
export function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

export interface Sample {
  requests: number;
  seconds: number;
  cpuSeconds: number;
  perCpuSecond: number;
  p50Ms: number;
  p99Ms: number;
}

/** Runs `once` `requests` times, `concurrency` at a time. Throws where any of them throws: a benchmark of refusals says nothing. */
export async function measure(pid: number, requests: number, concurrency: number, once: (n: number) => Promise<void>): Promise<Sample> {
  const latencies: number[] = [];
  let next = 0;
  const cpu = cpuSeconds(pid);
  const began = performance.now();
  await Promise.all(
    Array.from({ length: concurrency }, async () => {
      while (next < requests) {
        const n = next++;
        const start = performance.now();
        await once(n);
        latencies.push(performance.now() - start);
      }
    }),
  );
  const seconds = (performance.now() - began) / 1000;
  const used = Math.max(cpuSeconds(pid) - cpu, 1 / TICKS_PER_SECOND);
  latencies.sort((a, b) => a - b);
  const at = (share: number): number => latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * share))] ?? 0;
  return { requests, seconds, cpuSeconds: used, perCpuSecond: requests / used, p50Ms: at(0.5), p99Ms: at(0.99) };
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  if (sorted.length === 0) return Number.NaN;
  return sorted.length % 2 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
