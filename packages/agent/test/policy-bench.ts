import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Observer } from '../src/observer.ts';
import { problemWith } from '../src/policies/forms.ts';
import type { Policy as AnyPolicy } from '../src/policies/index.ts';
import type { PolicyKind, RunningPolicy } from '../src/policies/policy.ts';
import type { Draw } from '../src/policies/share.ts';

export interface StartedPolicy extends Disposable {
  readonly running: RunningPolicy;
  /** As the channel does it: the flag first when it goes off, last when it comes on. */
  switch(on: boolean): void;
  readonly take: () => Readonly<Record<string, number>>;
  /** Why it ended itself; empty while it did not. */
  readonly endedBecause: readonly string[];
}

/** Puts a policy in force in this process. */
export function startPolicy<Policy extends { readonly kind: string }>(
  kind: PolicyKind<Policy>,
  policy: Policy,
  observer = new Observer(),
  draw: Draw | null = null,
): StartedPolicy {
  const endedBecause: string[] = [];
  const control = { on: true, draw, end: (reason: string) => void endedBecause.push(reason) };
  const running = kind.start(policy, { observer, drivers: observer.drivers }, [], control);
  if (typeof running === 'string') throw new Error(running);
  return {
    running,
    switch(on) {
      if (!on) control.on = false;
      running.switch(on);
      control.on = on;
    },
    take: () => running.take?.() ?? {},
    endedBecause,
    [Symbol.dispose]() {
      control.on = false;
      running.stop();
    },
  };
}

/** Why a policy is refused. */
export function refusalOf<Policy extends { readonly kind: string }>(
  kind: PolicyKind<Policy>,
  policy: Policy,
  others: readonly { readonly id: string; readonly policy: Policy }[] = [],
): string | null {
  const unusable = problemWith(policy as unknown as AnyPolicy);
  if (unusable !== null) return unusable;
  const observer = new Observer();
  const running = kind.start(policy, { observer, drivers: observer.drivers }, others, { on: true, draw: null, end: () => undefined });
  if (typeof running === 'string') return running;
  running.stop();
  return null;
}

export interface Served extends AsyncDisposable {
  readonly server: Server;
  readonly port: number;
  readonly url: string;
  /** Connections accepted so far. */
  readonly connections: () => number;
}

export async function serve(listener: RequestListener): Promise<Served> {
  const server = createServer(listener);
  let connections = 0;
  server.on('connection', () => (connections += 1));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    server,
    port,
    url: `http://127.0.0.1:${port}`,
    connections: () => connections,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
