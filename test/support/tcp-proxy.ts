/** Stands between two ends of a TCP connection and makes the way between them as bad as a network can be. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

export interface TcpProxy {
  port: number;
  /** How much later everything arrives, each way; can be changed at any time. */
  delayMs: number;
  /** Ends every connection with a reset, those under way included. New ones are let through. */
  cut(): void;
  /** From now on nothing arrives, and nothing is closed either; `false` lets everything kept go on. */
  blackHole(on: boolean): void;
  /** Refuses new connections too. */
  refuse(on: boolean): void;
  /** Bytes that went through, both ways. */
  bytes(): number;
  close(): Promise<void>;
}

export interface Target {
  host: string;
  port: number;
}

/** Listens on 127.0.0.1; connections go to the targets in turn. */
export async function startTcpProxy(targets: Target | readonly Target[], { delayMs = 0, port = 0 } = {}): Promise<TcpProxy> {
  const list = [targets].flat();
  const sockets = new Set<Socket>();
  const kept: (() => void)[] = [];
  let [turn, total, dark, refusing] = [0, 0, false, false];

  const server = createServer({ noDelay: true }, (near) => {
    if (refusing) return void near.resetAndDestroy();
    const far = connect({ ...list[turn++ % list.length]!, noDelay: true });
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from);
      from.on('data', (chunk) => {
        total += chunk.length;
        later(() => void to.write(chunk));
      });
      from.on('end', () => later(() => void to.end()));
      from.on('error', () => to.destroy());
      from.on('close', () => {
        sockets.delete(from);
        later(() => void to.destroy());
      });
    }
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');

  // Timers of one length fire in the order in which they were set, so that nothing overtakes what was sent before it.
  function later(act: () => void): void {
    if (dark) kept.push(act);
    else if (proxy.delayMs === 0) act();
    else setTimeout(act, proxy.delayMs);
  }

  const proxy: TcpProxy = {
    port: (server.address() as AddressInfo).port,
    delayMs,
    cut() {
      for (const socket of sockets) socket.resetAndDestroy();
    },
    blackHole(on) {
      dark = on;
      if (!on) for (const act of kept.splice(0)) act();
    },
    refuse(on) {
      refusing = on;
    },
    bytes: () => total,
    async close() {
      dark = false;
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return proxy;
}

/** A proxy in front of a database, and the connection string that goes through it. */
export async function startDatabaseProxy(url: string, options: { delayMs?: number } = {}): Promise<TcpProxy & { url: string }> {
  const direct = new URL(url);
  const proxy = await startTcpProxy({ host: direct.hostname, port: Number(direct.port || 5432) }, options);
  const through = new URL(url);
  through.hostname = '127.0.0.1';
  through.port = String(proxy.port);
  return Object.assign(proxy, { url: through.href });
}
