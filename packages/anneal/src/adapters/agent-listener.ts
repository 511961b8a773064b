import { once } from 'node:events';
import { chmod, lstat, mkdtemp, rm } from 'node:fs/promises';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import {
  protocolVersion,
  silenceMs,
  type AgentHello,
  type FromAgent,
  type PolicyTerms,
  type ToAgent,
  type Toggling,
} from '@anneal/agent/protocol';
import { AnnealError } from '../errors.ts';
import type { AgentControl, AgentListener, Agents, Attendance } from '../ports/agent.ts';

/** An agent whose observation can be switched, for measuring what it costs. */
export interface SwitchableAgent extends AgentControl {
  observe(on: boolean): Promise<void>;
}

export interface SwitchableAgentListener extends AgentListener {
  connected(timeoutMs: number): Promise<SwitchableAgent>;
}

export interface SwitchableAgents extends Agents {
  listen(): Promise<SwitchableAgentListener>;
}

/** A blocked event loop answers late; one that is silent this long is not coming back in time to be measured. */
const answerTimeoutMs = 30_000;

export function createAgents(): SwitchableAgents {
  return { importSpecifier: import.meta.resolve('@anneal/agent'), listen };
}

async function listen(): Promise<SwitchableAgentListener> {
  // mkdtemp makes the folder 0700: whoever may connect to the socket may read the application's parameters.
  const folder = await mkdtemp(join(tmpdir(), 'anneal-agent-'));
  const socketPath = join(folder, 'socket');
  const conversations = new Set<Conversation>();
  const waiting = new Set<(agent: Conversation | Error) => void>();
  let current: Conversation | null = null;

  const server = createServer((socket) => {
    const greeted = (hello: AgentHello) => {
      if (hello.version > protocolVersion) {
        conversation.end();
        settle(new AnnealError('ANNEAL_AGENT_LOST', { problem: tooNew(hello) }));
        return;
      }
      // A process that the target starts may load the agent too; without a listener it observes nothing.
      if (current !== null && current.open) {
        current.others.add(hello.pid);
        conversation.end();
      } else {
        current = conversation;
        settle(conversation);
      }
    };
    const conversation = new Conversation(socket, greeted, (key) => (current?.hasKey(key) === true ? current : null));
    conversations.add(conversation);
    socket.once('close', () => conversations.delete(conversation));
  });
  const settle = (agent: Conversation | Error) => {
    for (const told of waiting) told(agent);
    waiting.clear();
  };
  try {
    server.listen(socketPath);
    await once(server, 'listening');
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    throw error;
  }

  return {
    socketPath,
    connected(timeoutMs) {
      if (current !== null && current.open) return Promise.resolve(current);
      return new Promise((resolve, reject) => {
        const told = (agent: Conversation | Error) => {
          clearTimeout(timer);
          if (agent instanceof Error) reject(agent);
          else resolve(agent);
        };
        const timer = setTimeout(() => {
          waiting.delete(told);
          reject(new AnnealError('ANNEAL_AGENT_SILENT', { timeoutMs }));
        }, timeoutMs);
        waiting.add(told);
      });
    },
    async [Symbol.asyncDispose]() {
      settle(new AnnealError('ANNEAL_AGENT_LOST', { problem: 'Anneal stopped listening' }));
      for (const conversation of conversations) conversation.end();
      await new Promise((resolve) => {
        server.close(resolve);
      });
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function tooNew({ version }: AgentHello): string {
  return `it speaks version ${version} of the protocol, this Anneal only ${protocolVersion}`;
}

export function createAttendance(): Attendance {
  return { attend };
}

async function attend(socketPath: string, came: (agent: AgentControl, gone: Promise<void>) => void): Promise<AsyncDisposable> {
  const conversations = new Set<Conversation>();
  const server = createServer((socket) => {
    const greeted = (hello: AgentHello) => {
      if (hello.version > protocolVersion) conversation.end();
      else came(conversation, conversation.gone);
    };
    const conversation = new Conversation(socket, greeted, (key) => conversations.values().find((other) => other.hasKey(key)) ?? null);
    conversations.add(conversation);
    socket.once('close', () => conversations.delete(conversation));
  });
  try {
    await removeAbandoned(socketPath);
    server.listen(socketPath);
    await once(server, 'listening');
    // Whoever may connect could pose as an agent; whoever listens may change what the application does.
    await chmod(socketPath, 0o600);
  } catch (cause) {
    server.close();
    throw new AnnealError('ANNEAL_HOLD_SOCKET', { path: socketPath, problem: messageOf(cause) }, { cause });
  }
  return {
    async [Symbol.asyncDispose]() {
      for (const conversation of conversations) conversation.end();
      await new Promise((resolve) => {
        server.close(resolve);
      });
    },
  };
}

/** The socket of an Anneal that was killed is still there, and nobody answers at it. */
async function removeAbandoned(socketPath: string): Promise<void> {
  const found = await lstat(socketPath).catch(() => null);
  if (found === null) return;
  if (!found.isSocket()) throw new Error('what is there is no socket');
  const asking = connect(socketPath);
  try {
    await once(asking, 'connect');
  } catch {
    await rm(socketPath);
    return;
  } finally {
    asking.destroy();
  }
  throw new Error('another Anneal listens there');
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

type Question<Message = ToAgent> = Message extends { readonly id: number } ? Omit<Message, 'id'> : never;

interface Pending {
  readonly resolve: (answer: FromAgent) => void;
  readonly reject: (error: AnnealError) => void;
}

/** One agent's end of the socket: questions by number, answers matched to them. */
class Conversation implements SwitchableAgent {
  /** Process ids of those that were turned away because this one is heard. */
  readonly others = new Set<number>();
  readonly gone: Promise<void>;
  #socket: Socket;
  readonly #pending = new Map<number, Pending>();
  #hello: AgentHello | null = null;
  #key: string | null = null;
  #heartbeat: NodeJS.Timeout | undefined;
  #lastId = 0;
  #problem = 'the connection was closed';
  readonly #left: () => void;

  /** `movedFrom`: the conversation whose agent gave that key and now goes on over this socket. */
  constructor(socket: Socket, greeted: (hello: AgentHello) => void, movedFrom: (key: string) => Conversation | null) {
    this.#socket = socket;
    ({ promise: this.gone, resolve: this.#left } = Promise.withResolvers<void>());
    let former: Conversation | null = null;
    const owner = () => former ?? this;
    const lines = createInterface(socket);
    // It repeats the socket's errors, which are dealt with below.
    lines.on('error', () => undefined);
    lines.on('line', (line) => {
      const message = parse(line);
      if (message === null) owner().#fail('it sent something that is not the protocol');
      else if (message.type === 'hello') {
        this.#hello = message;
        this.#key = message.key;
        this.#heartbeat = setInterval(() => this.#send({ type: 'heartbeat' }), silenceMs / 3).unref();
        greeted(message);
      } else if (message.type === 'moved') {
        former = movedFrom(message.key);
        if (former === null) this.#fail('it is no agent that has said hello');
        else former.#moveTo(socket);
      } else owner().#answered(message.replyTo, message);
    });
    socket.on('error', (error) => {
      owner().#problem = error.message;
    });
    socket.on('close', () => owner().#closed(socket));
  }

  hasKey(key: string): boolean {
    return this.open && this.#key === key;
  }

  /** What was sent over the former socket is still read. */
  #moveTo(socket: Socket): void {
    const former = this.#socket;
    this.#socket = socket;
    former.end();
  }

  #closed(socket: Socket): void {
    if (socket !== this.#socket) return;
    clearInterval(this.#heartbeat);
    for (const { reject } of this.#pending.values()) reject(this.#lost());
    this.#pending.clear();
    this.#left();
  }

  get open(): boolean {
    return !this.#socket.destroyed;
  }

  get hello(): AgentHello {
    if (this.#hello === null) throw new Error('an agent is handed out only after its hello');
    return this.#hello;
  }

  async flush() {
    const answer = await this.#ask({ type: 'flush' });
    if (answer.type === 'summary') return answer.summary;
    throw this.#unexpected(answer);
  }

  async startProfile() {
    await this.#order({ type: 'start-profile' });
  }

  async observe(on: boolean) {
    await this.#order({ type: 'observe', on });
  }

  async apply(id: string, policy: Parameters<AgentControl['apply']>[1], terms?: PolicyTerms) {
    const answer = await this.#askOf(id, { type: 'apply-policy', policyId: id, policy, ...terms });
    if (answer.type !== 'done') throw this.#unexpected(answer);
  }

  async switch(id: string, on: boolean) {
    const answer = await this.#askOf(id, { type: 'switch-policy', policyId: id, on });
    if (answer.type !== 'done') throw this.#unexpected(answer);
  }

  async toggle(toggling: Toggling) {
    const name = toggling.policyId ?? 'that changes nothing';
    const answer = await this.#askOf(name, { type: 'toggle-policy', ...toggling }, toggling.blocks * toggling.blockMs);
    if (answer.type === 'toggled') return answer.blocks;
    throw this.#unexpected(answer);
  }

  async inform(id: string, news: unknown) {
    const answer = await this.#askOf(id, { type: 'inform-policy', policyId: id, news });
    if (answer.type !== 'done') throw this.#unexpected(answer);
  }

  async revoke(id: string) {
    await this.#order({ type: 'revoke-policy', policyId: id });
  }

  async startRecording(share: number, most: number) {
    await this.#order({ type: 'start-recording', share, most });
  }

  async stopRecording() {
    const answer = await this.#ask({ type: 'stop-recording' });
    if (answer.type === 'recording') return { requests: answer.requests, missed: answer.missed };
    throw this.#unexpected(answer);
  }

  async policies() {
    const answer = await this.#ask({ type: 'list-policies' });
    if (answer.type === 'policies') return answer.ids;
    throw this.#unexpected(answer);
  }

  othersUnseen() {
    return this.others.size;
  }

  end(): void {
    this.#problem = 'Anneal closed the connection';
    this.#socket.destroy();
  }

  async #order(question: Question): Promise<void> {
    const answer = await this.#ask(question);
    if (answer.type !== 'done') throw this.#unexpected(answer);
  }

  async #askOf(policy: string, question: Question, takesMs?: number): Promise<FromAgent> {
    const answer = await this.#ask(question, takesMs);
    if (answer.type === 'refused') throw new AnnealError('ANNEAL_POLICY_REFUSED', { policy, problem: answer.reason });
    return answer;
  }

  /** `takesMs`: how long the agent is busy with it before it can answer. */
  #ask(question: Question, takesMs = 0): Promise<FromAgent> {
    if (!this.open) return Promise.reject(this.#lost());
    this.#lastId += 1;
    const id = this.#lastId;
    return new Promise((resolve, reject) => {
      const timeoutMs = answerTimeoutMs + takesMs;
      const timer = setTimeout(() => this.#fail(`it did not answer "${question.type}" within ${timeoutMs} ms`), timeoutMs);
      const settled =
        <Value>(settle: (value: Value) => void) =>
        (value: Value) => {
          clearTimeout(timer);
          settle(value);
        };
      this.#pending.set(id, { resolve: settled(resolve), reject: settled(reject) });
      this.#send({ ...question, id });
    });
  }

  #send(message: ToAgent): void {
    this.#socket.write(`${JSON.stringify(message)}\n`);
  }

  #answered(id: number, message: FromAgent): void {
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    pending?.resolve(message);
  }

  #fail(problem: string): void {
    this.#problem = problem;
    this.#socket.destroy();
  }

  #lost(): AnnealError {
    return new AnnealError('ANNEAL_AGENT_LOST', { problem: this.#problem });
  }

  #unexpected(answer: FromAgent): AnnealError {
    const problem = answer.type === 'refused' ? answer.reason : `it answered with "${answer.type}"`;
    return new AnnealError('ANNEAL_AGENT_LOST', { problem });
  }
}

function parse(line: string): FromAgent | null {
  try {
    const message: unknown = JSON.parse(line);
    return typeof message === 'object' && message !== null && 'type' in message ? (message as FromAgent) : null;
  } catch {
    return null;
  }
}
