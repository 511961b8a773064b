import type { Outside } from '../../packages/anneal/src/ports/outside.ts';
import type { ProcessIdentity, RunningProcess } from '../../packages/anneal/src/ports/processes.ts';
import type { Sql } from '../../packages/anneal/src/ports/sql.ts';

/**
 * What happens to the N-th outward call:
 * `refused`: it does not happen and says so; life goes on.
 * `answer lost`: it happens, and the caller is told that it failed; life goes on.
 * `killed`: it does not happen and neither does anything after it, as with kill -9.
 */
export const faultKinds = ['refused', 'answer lost', 'killed'] as const;
export type FaultKind = (typeof faultKinds)[number];

export interface Fault {
  readonly kind: FaultKind;
  /** 1 is the first call; a name stands for the first call of that name. */
  readonly at: number | string;
}

export interface FaultyOutside {
  readonly outside: Outside;
  /** The call that was hit, or null when fewer calls were made. */
  hit(): string | null;
  /** The kernel's part of a death: it closes the sockets. */
  bury(): Promise<void>;
}

export class InjectedFault extends Error {
  override readonly name = 'InjectedFault';
}

let incarnations = 0;

/** The real outside world, of which one call fails. */
export function faultyOutside(real: Outside, fault: Fault): FaultyOutside {
  incarnations += 1;
  const incarnation = incarnations;
  let calls = 0;
  let hit: string | null = null;
  let dead = false;
  const connections: Sql[] = [];

  async function outward<T>(name: string, act: () => Promise<T>): Promise<T> {
    if (dead) throw new InjectedFault(`${name}: dead`);
    calls += 1;
    if (hit !== null || (fault.at !== calls && fault.at !== name)) return act();
    hit = name;
    dead = fault.kind === 'killed';
    if (fault.kind === 'answer lost') await act();
    throw new InjectedFault(`${name}: ${fault.kind}`);
  }

  const faultySql = (sql: Sql): Sql => ({
    label: sql.label,
    query: (text, values, options) => outward(`query ${text.slice(0, 40)}`, () => sql.query(text, values, options)),
    readOnly: (work) => outward('readOnly', () => sql.readOnly((inner) => work(faultySql(inner)))),
    close: () => outward('close a connection', () => sql.close()),
    [Symbol.asyncDispose]: () => outward('close a connection', () => sql.close()),
  });

  const faultyProcess = (running: RunningProcess): RunningProcess => ({
    identity: running.identity,
    exited: running.exited,
    recentOutput: () => running.recentOutput(),
    stop: (graceMs) => outward('stop a process', () => running.stop(graceMs)),
    [Symbol.asyncDispose]: () => outward('stop a process', () => running.stop()),
  });

  /** It runs inside the test's process and must not be taken for it, nor for another of its kind: once dead, its lock has to look dead. */
  const asItself = (identity: ProcessIdentity | null): ProcessIdentity | null =>
    identity?.pid === process.pid ? { ...identity, startTicks: identity.startTicks + incarnation } : identity;

  const { files, processes } = real;
  const outside: Outside = {
    ...real,
    databases: {
      connect: (url, options) =>
        outward('connect', async () => {
          const sql = await real.databases.connect(url, options);
          connections.push(sql);
          return faultySql(sql);
        }),
    },
    files: {
      read: (path) => outward('read', () => files.read(path)),
      write: (path, content) => outward('write', () => files.write(path, content)),
      append: (path, content) => outward(`append ${eventOf(content)}`, () => files.append(path, content)),
      exists: (path) => outward('exists', () => files.exists(path)),
      sizeBytes: (path) => outward('sizeBytes', () => files.sizeBytes(path)),
      list: (path) => outward('list', () => files.list(path)),
      makeFolder: (path) => outward('makeFolder', () => files.makeFolder(path)),
      remove: (path) => outward('remove', () => files.remove(path)),
      freeBytes: (path) => outward('freeBytes', () => files.freeBytes(path)),
      link: (path, target) => outward('link', () => files.link(path, target)),
    },
    processes: {
      start: (spec, announce) => outward('start a process', async () => faultyProcess(await processes.start(spec, announce))),
      usage: (pid) => outward('usage', () => processes.usage(pid)),
      identify: (pid) => outward('identify', async () => asItself(await processes.identify(pid))),
      end: (identity) => outward('end a process', () => processes.end(identity)),
      freePort: () => outward('freePort', () => processes.freePort()),
    },
  };
  return {
    outside,
    hit: () => hit,
    async bury() {
      await Promise.all(connections.map((sql) => sql.close()));
    },
  };
}

function eventOf(line: string): string {
  const { event } = JSON.parse(line) as { event: { type: string; act?: { kind: string } } };
  return event.act === undefined ? event.type : `${event.type} ${event.act.kind}`;
}
