import http, { type Agent, type ClientRequest } from 'node:http';
import https from 'node:https';
import { interceptRequests } from './outgoing/interception.ts';
import { meet, peerMatcher } from './outgoing/peers.ts';
import type { PolicyKind } from './policy.ts';

/**
 * Keeps the connections of node:http and node:https where their agent would make a new one for each call:
 * an agent made without `keepAlive`, or `agent: false`. `fetch` and Node's default agents keep theirs anyway.
 */
export interface OutgoingKeepAlivePolicy {
  readonly kind: 'outgoing-keep-alive';
  /** Connections to these: `host:port`, without the port where it is the scheme's own, or `host:*` for any port. */
  readonly peers: readonly string[];
}

/**
 * A connection is let go before the peer closes it, else a call would be sent into one that is just being closed. Node's
 * own servers close after 5 s; a peer that says so itself (`Keep-Alive: timeout=`) is believed by Node's agent.
 */
const idleMs = 4_000;

/** Idle connections per peer and set of TLS options, as many as Node's agents keep by default. */
const mostIdle = 256;

export const outgoingKeepAlive: PolicyKind<OutgoingKeepAlivePolicy> = {
  kind: 'outgoing-keep-alive',
  actsOn: 'requests',

  start({ peers }, { observer }, others, control) {
    const rival = others.find((other) => meet(other.policy.peers, peers));
    if (rival !== undefined) return `connections to ${peers.join(', ')} are already kept by the policy ${rival.id}`;
    const isKept = peerMatcher(peers);
    const figures = { calls: 0, reused: 0 };
    let agents = keepingAgents();

    const remove = interceptRequests(
      ({ agent, request, peer }, next) => {
        if (!control.on || !isKept(peer) || control.draw?.(observer.current()) === false || !mayKeep(agent, request)) {
          next(agent);
          return;
        }
        const keeping = agent instanceof https.Agent ? agents.https : agents.http;
        keepConnection(request, keeping);
        figures.calls += 1;
        request.once('socket', () => {
          if (request.reusedSocket) figures.reused += 1;
        });
        next(keeping);
      },
      (error) => control.end(String(error)),
    );

    const letGo = () => {
      for (const agent of Object.values(agents)) closeIdle(agent);
      agents = keepingAgents();
    };

    return {
      switch(on) {
        if (!on) letGo();
      },
      stop() {
        remove();
        letGo();
      },
      take() {
        const taken = { ...figures };
        Object.assign(figures, { calls: 0, reused: 0 });
        return taken;
      },
    };
  },
};

interface KeepingAgents {
  readonly http: Agent;
  readonly https: Agent;
}

function keepingAgents(): KeepingAgents {
  const options = { keepAlive: true, maxFreeSockets: mostIdle, scheduling: 'lifo', timeout: idleMs } as const;
  return { http: new http.Agent(options), https: new https.Agent(options) };
}

/** Parts of a request and its agent that decide on its connection and are not in their published types. */
interface Undocumented {
  shouldKeepAlive: boolean;
  _last: boolean;
  readonly _header: string | null;
  readonly keepAlive: boolean;
  readonly options: Readonly<Record<string, unknown>>;
  agent: Agent;
}

/**
 * Only agents that are Node's own and were given nothing but defaults: what another one does with connections (proxies,
 * limits, certificates), it does for a reason. A request that asks for `Connection: close` gets what it asks for.
 */
function mayKeep(agent: Agent, request: ClientRequest): boolean {
  const { keepAlive, options } = agent as Agent & Undocumented;
  const { _header: head } = request as ClientRequest & Undocumented;
  if (keepAlive || head !== null || request.hasHeader('connection')) return false;
  if (agent.constructor !== http.Agent && agent.constructor !== https.Agent) return false;
  if (Number.isFinite(agent.maxSockets) || Object.hasOwn(agent, 'createConnection')) return false;
  return Object.keys(options).every((name) => plainOptions.has(name) || options[name] === undefined);
}

/** What an agent's options hold without anybody's doing, and what says nothing about a connection. */
const plainOptions: ReadonlySet<string> = new Set(['path', 'noDelay', 'keepAlive', 'scheduling', 'timeout', 'defaultPort', 'protocol']);

/** Undoes what the request took from its own agent in its constructor; the head is not written yet. */
function keepConnection(request: ClientRequest, agent: Agent): void {
  const keeping = request as ClientRequest & Undocumented;
  keeping.shouldKeepAlive = true;
  keeping._last = false;
  keeping.agent = agent;
}

/** Those that are in use end with what they are used for. */
function closeIdle(agent: Agent): void {
  agent.maxFreeSockets = 0;
  for (const idle of Object.values(agent.freeSockets)) for (const socket of idle ?? []) socket.destroy();
}
