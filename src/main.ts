/** Starts the server, listens to signals, and ends with the right exit code. */
import { mkdirSync } from 'node:fs';
import { enableCompileCache, getCompileCacheDir } from 'node:module';
import path from 'node:path';
import { type Config, ConfigError, loadConfig } from './config.ts';
import { createLogger, type Logger } from './infra/log.ts';
import { attachToPrimary, isFirstWorker, isWorker, superviseWorkers, WorkerFailedError } from './infra/workers.ts';

/** sysexits.h: something is wrong with the configuration. */
const EX_CONFIG = 78;
const STOP_WITHIN_MS = 30_000;

interface Running {
  close(): Promise<void>;
}

const config = readConfig();
const compiled = keepCompiled();
const log = createLogger({ level: config.logLevel });
process.on('unhandledRejection', (error) => die(error, 'a promise was rejected and nobody looked'));
process.on('uncaughtException', (error) => die(error, 'an exception was not caught'));
if (config.otlpEndpoint !== undefined && !isWorker()) log.warn('OTEL_EXPORTER_OTLP_ENDPOINT is set, but this version sends no traces yet');
if (config.workers > 1 && !isWorker()) await runPrimary();
else await runServer();

function readConfig(): Config {
  try {
    return loadConfig(process.env);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    console.error(error.message);
    process.exit(EX_CONFIG);
  }
}

/**
 * What was compiled is kept for the next start, where only its owner can write; without the directory the start is slower, nothing else.
 * Answers the directory; undefined where there is none, or where NODE_COMPILE_CACHE named another one, in time even for this file.
 */
function keepCompiled(): string | undefined {
  if (getCompileCacheDir() !== undefined) return undefined;
  try {
    const directory = path.join(config.dataDir, 'compiled');
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    enableCompileCache(directory);
    return directory;
  } catch {
    // A read-only DATA_DIR is no fault.
    return undefined;
  }
}

/** One server: the only process, or one of several workers. */
async function runServer(): Promise<void> {
  const giveUp = new AbortController();
  const { signal } = giveUp;
  // Whoever still waits for the database has nothing to close.
  const started = start(config, { log, signal }).catch((error: unknown) =>
    signal.aborted ? undefined : die(error, 'the server could not start'),
  );
  const stop = stopper(async () => {
    giveUp.abort();
    await (await started)?.close();
  });
  const primary = isWorker() ? attachToPrimary(() => void stop('the primary asked for it')) : undefined;
  // Signals are the primary's to answer: a terminal and a service manager send them to every process of the group.
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => (primary ? undefined : void stop(signal)));
  const running = await started;
  if (!running) return;
  if (!primary || isFirstWorker()) console.log(running.banner.join('\n'));
  primary?.ready();
}

async function start(settings: Config, options: { log: Logger; signal: AbortSignal }) {
  const { startApp } = await import('./app.ts');
  return startApp(settings, options);
}

/** The process that owns the port, the embedded database and the workers. */
async function runPrimary(): Promise<void> {
  const parts: Running[] = [];
  // A worker that finds even its first file compiled need not load the type stripper, which takes some 20 MB in each.
  const env: Record<string, string> = compiled === undefined ? {} : { NODE_COMPILE_CACHE: compiled };
  if (config.databaseUrl === undefined) {
    const { startEmbeddedPostgres } = await import('./infra/embedded-postgres.ts');
    const database = await startEmbeddedPostgres({ dataDir: config.dataDir, log: (message) => log.info(message) }).catch((error: unknown) =>
      die(error, 'the embedded database could not start'),
    );
    parts.push({ close: () => database.stop() });
    env['DATABASE_URL'] = database.connectionString;
  }
  const { serveClusterMetrics } = await import('./infra/metrics.ts');
  const metrics = await serveClusterMetrics(config.metricsHost, config.metricsPort).catch((error: unknown) =>
    die(error, 'METRICS_PORT cannot be listened on'),
  );
  const supervisor = superviseWorkers({ count: config.workers, log, env });
  parts.push(metrics, { close: () => supervisor.stop(STOP_WITHIN_MS - 5000) });
  const stop = stopper(
    async () => {
      for (const part of parts.reverse()) await part.close();
    },
    () => supervisor.kill(),
  );
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => void stop(signal));
  await supervisor.started.catch(async (error: unknown) => {
    log.fatal({ err: error }, 'no worker could start');
    for (const part of parts.reverse()) await part.close();
    process.exit(error instanceof WorkerFailedError ? error.code || 1 : 1);
  });
}

/** Closes once, within its time, and exits; asked a second time it exits at once. */
function stopper(close: () => Promise<void>, onSecond: () => void = () => {}): (reason: string) => Promise<void> {
  let stopping = false;
  return async (reason) => {
    if (stopping) {
      onSecond();
      process.exit(1);
    }
    stopping = true;
    log.info({ reason }, 'stopping');
    setTimeout(() => die(undefined, 'it took too long to stop'), STOP_WITHIN_MS).unref();
    try {
      await close();
      process.exit(0);
    } catch (error) {
      die(error, 'stopping failed');
    }
  };
}

function die(error: unknown, message: string): never {
  log.fatal({ err: error }, message);
  process.exit(1);
}
