/** Metrics for Prometheus, on a port of their own that is not the public one. */
import cluster from 'node:cluster';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { AggregatorRegistry, Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

export interface Metrics {
  /** An answered request: `route` is a template, never a path. */
  answered(request: { method: string; route: string; status: number; seconds: number }): void;
  /** A sign-in attempt; `method` is the id of the login method. */
  login(outcome: 'success' | 'failure', method: string): void;
  /** Tokens issued by the token endpoint or a direct login. */
  tokens(grantType: string): void;
  introspection(active: boolean): void;
  /** A request that a limit of traffic turned away; `rule` is the limit's name. */
  limited(rule: string): void;
  /** Where the number of statements sent to the database is read. */
  statements(read: () => number): void;
  /** Where it is asked whether this process is ready, each time the metrics are read. */
  readiness(isReady: () => Promise<boolean>): void;
  /** Whether a service that we call is left alone for now: 0 no, 0.5 it is tried, 1 yes. */
  circuit(name: string, open: number): void;
  /** The exposition text. */
  text(): Promise<string>;
  /** Serves `/metrics`; in a worker it does nothing, for the primary asks the workers and answers for all. Answers the port. */
  listen(host: string, port: number): Promise<number>;
  close(): Promise<void>;
}

const BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const GRANTS = new Set([
  'authorization_code',
  'refresh_token',
  'client_credentials',
  'urn:ietf:params:oauth:grant-type:device_code',
  'direct',
]);

export function createMetrics(): Metrics {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });
  const requests = new Histogram({
    name: 'gatehouse_http_request_duration_seconds',
    help: 'Time until the answer was out, by route template',
    labelNames: ['method', 'route', 'status'],
    buckets: BUCKETS,
    registers,
  });
  const logins = new Counter({ name: 'gatehouse_logins_total', help: 'Sign-in attempts', labelNames: ['outcome', 'method'], registers });
  const tokens = new Counter({ name: 'gatehouse_token_responses_total', help: 'Token responses', labelNames: ['grant_type'], registers });
  const introspections = new Counter({ name: 'gatehouse_introspections_total', help: 'Introspections', labelNames: ['active'], registers });
  const limited = new Counter({
    name: 'gatehouse_limited_total',
    help: 'Requests that a limit of traffic turned away',
    labelNames: ['rule'],
    registers,
  });
  const circuits = new Gauge({
    name: 'gatehouse_circuit_open',
    help: 'Whether a service that is called is left alone after failures: 0 no, 0.5 it is tried, 1 yes',
    labelNames: ['service'],
    aggregator: 'max',
    registers,
  });
  if (cluster.isWorker) AggregatorRegistry.setRegistries(registry);
  let server: MetricsServer | undefined;

  return {
    answered: ({ method, route, status, seconds }) => requests.observe({ method, route, status: String(status) }, seconds),
    login: (outcome, method) => logins.inc({ outcome, method }),
    // What a caller may choose freely would become a series of its own each time.
    tokens: (grantType) => tokens.inc({ grant_type: GRANTS.has(grantType) ? grantType : 'other' }),
    introspection: (active) => introspections.inc({ active: String(active) }),
    limited: (rule) => limited.inc({ rule }),
    circuit: (service, open) => circuits.set({ service }, open),
    statements(read) {
      new Counter({
        name: 'gatehouse_sql_statements_total',
        help: 'Statements sent to the database, BEGIN and COMMIT counted',
        registers,
        collect() {
          this.reset();
          this.inc(read());
        },
      });
    },
    readiness(isReady) {
      new Gauge({
        name: 'gatehouse_ready',
        help: 'Whether this process can serve',
        registers,
        async collect() {
          this.set((await isReady()) ? 1 : 0);
        },
      });
    },
    text: () => registry.metrics(),
    async listen(host, port) {
      if (cluster.isWorker) return port;
      server = await serveMetrics(host, port, () => registry.metrics());
      return server.port;
    },
    async close() {
      await server?.close();
      server = undefined;
      registry.clear();
    },
  };
}

export interface MetricsServer {
  port: number;
  close(): Promise<void>;
}

/** The metrics of all workers, asked by the primary: counters are summed. */
export function serveClusterMetrics(host: string, port: number): Promise<MetricsServer> {
  const all = new AggregatorRegistry();
  return serveMetrics(host, port, () => all.clusterMetrics());
}

async function serveMetrics(host: string, port: number, text: () => Promise<string>): Promise<MetricsServer> {
  const server: Server = createServer({ requestTimeout: 10_000, headersTimeout: 5000 }, (request, response) => {
    response.setHeader('cache-control', 'no-store');
    if (request.url?.split('?', 1)[0] !== '/metrics') {
      response.writeHead(404).end();
    } else if (request.method !== 'GET' && request.method !== 'HEAD') {
      response.writeHead(405, { allow: 'GET, HEAD' }).end();
    } else {
      text().then(
        (body) => response.writeHead(200, { 'content-type': Registry.PROMETHEUS_CONTENT_TYPE }).end(body),
        () => response.writeHead(503).end(),
      );
    }
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
