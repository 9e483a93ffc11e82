/**
 * The one `fetch` for whatever leaves this server: key sets, sector identifiers, back-channel logout, upstream providers, webhooks. The address is
 * judged when the connection is made, so that a name that changes its mind between check and use gains nothing.
 */
import dns from 'node:dns';
import net from 'node:net';
import type { Agent } from 'undici';
import { isPublicAddress } from './public-address.ts';

export interface OutboundOptions {
  /** Host names, or `host:port`, that may be reached although they are private, and by plain http. */
  allowHosts?: readonly string[];
  /** For the whole exchange, milliseconds. */
  timeoutMs?: number;
  maxBytes?: number;
  /** An additional certificate authority, PEM. */
  ca?: string;
  resolve?: (host: string) => Promise<readonly string[]>;
}

export type Fetch = typeof globalThis.fetch;

/** A `fetch` that follows no redirect, waits and reads within bounds, speaks https, and reaches public addresses only. Another dispatcher in `init` is ignored. */
export function createOutboundFetch(options: OutboundOptions = {}): Fetch & { close(): Promise<void> } {
  const { allowHosts = [], timeoutMs = 2500 } = options;
  const allowed = new Set(allowHosts.map((host) => host.toLowerCase()));
  let agents: { guarded: Agent; trusted: Agent } | undefined;

  const outbound = async (input: string | URL | Request, init: RequestInit = {}): Promise<Response> => {
    const url = new URL(input instanceof Request ? input.url : input);
    const trusted = allowed.has(url.hostname) || allowed.has(url.host);
    if (url.protocol !== 'https:' && !(trusted && url.protocol === 'http:')) throw new TypeError('only https may be fetched');
    if (url.username || url.password) throw new TypeError('credentials in a URL');
    const signals = [AbortSignal.timeout(timeoutMs), ...(init.signal ? [init.signal] : [])];
    const { dispatcher: _theirs, ...rest } = init as RequestInit & { dispatcher?: unknown };
    // Read from disk with the first request out: most servers make none for long.
    const undici = await import('undici');
    // Apart, or a pooled connection to a private address would serve a guarded request.
    agents ??= { guarded: createAgent(undici, false, options), trusted: createAgent(undici, true, options) };
    const answer = await undici.fetch(url, {
      ...(rest as object),
      redirect: 'error',
      signal: AbortSignal.any(signals),
      dispatcher: trusted ? agents.trusted : agents.guarded,
    });
    // undici's own Response is Node's in all but the identity of its class.
    return answer as unknown as Response;
  };
  return Object.assign(outbound as Fetch, {
    close: async () => {
      await Promise.all([agents?.guarded.destroy(), agents?.trusted.destroy()]);
    },
  });
}

type Undici = typeof import('undici');

function createAgent(
  undici: Undici,
  trusted: boolean,
  { timeoutMs = 2500, maxBytes = 256 * 1024, ca, resolve = systemResolve }: OutboundOptions,
): Agent {
  const connector = undici.buildConnector({
    timeout: timeoutMs,
    ...(ca ? { ca } : {}),
    lookup(hostname, options, callback) {
      resolve(hostname).then(
        (found) => {
          const addresses = found.map((address) => ({ address, family: net.isIP(address) }));
          // One private address among public ones is an attack or a mistake; neither is worth a connection.
          if (addresses.length === 0 || (!trusted && !addresses.every(({ address }) => isPublicAddress(address)))) {
            callback(new Error(`${hostname} is not a public address`), '', 0);
            return;
          }
          if (options.all) callback(null, addresses);
          else callback(null, addresses[0]!.address, addresses[0]!.family);
        },
        (error: Error) => callback(error, '', 0),
      );
    },
  });
  return new undici.Agent({
    headersTimeout: timeoutMs,
    bodyTimeout: timeoutMs,
    maxResponseSize: maxBytes,
    maxHeaderSize: 16 * 1024,
    pipelining: 1,
    connections: 8,
    keepAliveTimeout: 4000,
    connect(options, callback) {
      const literal = options.hostname.replace(/^\[|\]$/g, '');
      // A literal address is connected to without a look-up.
      if (!trusted && net.isIP(literal) && !isPublicAddress(literal)) {
        callback(new Error('not a public address'), null);
        return;
      }
      connector(options, (error, socket) => {
        if (error) {
          callback(error, null);
        } else if (!trusted && !isPublicAddress(socket?.remoteAddress ?? '')) {
          socket?.destroy();
          callback(new Error('not a public address'), null);
        } else {
          callback(null, socket!);
        }
      });
    },
  });
}

const systemResolve = async (host: string): Promise<readonly string[]> =>
  (await dns.promises.lookup(host, { all: true })).map(({ address }) => address);
