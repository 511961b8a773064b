import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { silenceMs, socketVariable, type AgentHello, type AgentSummary, type FromAgent, type ToAgent } from '../src/protocol.ts';

const agentFile = fileURLToPath(new URL('../src/agent.ts', import.meta.url));
export const appFile = (name: string): string => fileURLToPath(new URL(`./apps/${name}`, import.meta.url));

type Question<Message = ToAgent> = Message extends { readonly id: number } ? Omit<Message, 'id'> : never;

/** An application running under the agent, and this test as the Anneal at the other end of its socket. */
export interface Target extends AsyncDisposable {
  readonly port: number;
  readonly process: ChildProcess;
  readonly hello: AgentHello;
  readonly ask: (question: Question) => Promise<FromAgent>;
  flush(): Promise<AgentSummary>;
  readonly get: (path: string, init?: RequestInit) => Promise<Response>;
  /** Ends the listener as a killed Anneal would: the sockets close without a word. */
  loseListener(): void;
  /** No more heartbeats: as when Anneal hangs or its machine is gone. */
  fallSilent(): void;
  readonly output: () => string;
  /** SIGTERM, then the code the application ended with by itself. */
  readonly finish: () => Promise<number | null>;
}

export interface App extends AsyncDisposable {
  readonly port: number;
  readonly process: ChildProcess;
  readonly get: (path: string, init?: RequestInit) => Promise<Response>;
  readonly output: () => string;
  readonly finish: () => Promise<number | null>;
}

/** What an application runs under: paths of `node` and of the agent. */
export interface Runtime {
  readonly node: string;
  readonly agent: string;
}

/** TEST_NODE and TEST_AGENT name others, such as an older Node and the built agent. */
const ownRuntime: Runtime = { node: process.env['TEST_NODE'] ?? process.execPath, agent: process.env['TEST_AGENT'] ?? agentFile };

/** An application with the agent preloaded through NODE_OPTIONS, as its users start it. */
export async function startApp(name: string, env: Readonly<Record<string, string>>, agent = true, runtime = ownRuntime): Promise<App> {
  const process_ = spawn(runtime.node, [appFile(name)], {
    env: { ...process.env, NODE_OPTIONS: agent ? `--import=${runtime.agent}` : '', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  const exited = once(process_, 'exit') as Promise<[number | null, string | null]>;
  process_.stderr.on('data', (chunk: Buffer) => {
    output += chunk.toString();
  });
  const port = await new Promise<number>((resolve, reject) => {
    createInterface(process_.stdout).on('line', (line) => {
      const listening = /^listening (\d+)$/.exec(line);
      if (listening === null) output += `${line}\n`;
      else resolve(Number(listening[1]));
    });
    void exited.then(([code]) => reject(new Error(`the application ended with ${code}:\n${output}`)));
  });
  return {
    process: process_,
    port,
    get: (path, init) => fetch(`http://127.0.0.1:${port}${path}`, init),
    output: () => output,
    async finish() {
      process_.kill('SIGTERM');
      const [code] = await exited;
      return code;
    },
    async [Symbol.asyncDispose]() {
      process_.kill('SIGKILL');
      await exited;
    },
  };
}

export async function startTarget(name: string, env: Readonly<Record<string, string>> = {}, runtime = ownRuntime): Promise<Target> {
  const folder = await mkdtemp(join(tmpdir(), 'agent-test-'));
  const socketPath = join(folder, 'socket');
  const listener = createServer();
  listener.listen(socketPath);
  await once(listener, 'listening');
  const connected = once(listener, 'connection') as Promise<[Socket]>;
  const app = await startApp(name, { ...env, [socketVariable]: socketPath }, true, runtime);
  const [socket] = await connected;
  const { next, ask, say, move, end } = conversation(socket);
  // With its first policy the agent goes on over a socket of its own thread's.
  listener.on('connection', move);
  const heartbeat = setInterval(() => say({ type: 'heartbeat' }), silenceMs / 3).unref();
  const hello = (await next()) as FromAgent & { type: 'hello' };
  const loseListener = () => {
    clearInterval(heartbeat);
    end();
    listener.close();
  };
  return {
    process: app.process,
    hello,
    port: app.port,
    get: app.get,
    output: app.output,
    ask,
    finish: app.finish,
    async flush() {
      const answer = await ask({ type: 'flush' });
      if (answer.type !== 'summary') throw new Error(`expected a summary, not ${JSON.stringify(answer)}`);
      return answer.summary;
    },
    loseListener,
    fallSilent: () => clearInterval(heartbeat),
    async [Symbol.asyncDispose]() {
      await app[Symbol.asyncDispose]();
      loseListener();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function conversation(first: Socket) {
  const messages: FromAgent[] = [];
  const waiting: ((message: FromAgent) => void)[] = [];
  let socket = first;
  const listen = (to: Socket) => {
    const lines = createInterface(to);
    lines.on('error', () => undefined);
    lines.on('line', (line) => {
      const message = JSON.parse(line) as FromAgent;
      if (message.type === 'moved') {
        socket.end();
        socket = to;
        return;
      }
      const waiter = waiting.shift();
      if (waiter === undefined) messages.push(message);
      else waiter(message);
    });
  };
  listen(first);
  const say = (message: ToAgent) => socket.write(`${JSON.stringify(message)}\n`);
  const next = () =>
    new Promise<FromAgent>((resolve) => {
      const message = messages.shift();
      if (message === undefined) waiting.push(resolve);
      else resolve(message);
    });
  let id = 0;
  return {
    next,
    say,
    move: listen,
    end: () => socket.destroy(),
    ask: (question: Question) => {
      id += 1;
      say({ ...question, id });
      return next();
    },
  };
}
