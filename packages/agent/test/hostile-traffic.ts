import { Agent, request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';

export interface HostileTraffic {
  /** Processes that serve the same counters; each request goes to any of them. */
  readonly ports: readonly number[];
  readonly counters: number;
  readonly reads: number;
  readonly readers: number;
  /** Each writes one counter after the other; false: it was rolled back and changed nothing. */
  readonly writers: readonly ((counter: number) => Promise<number | false>)[];
  /** Where a counter is read. */
  readonly path: (counter: number) => string;
  /** What is true, when nobody writes any more. */
  readonly truth: (counter: number) => Promise<number>;
  /** Writers of whom the cache hears from somebody else, and how late it may before that counts as a violation. */
  readonly lateWriters?: { readonly writers: HostileTraffic['writers']; readonly lagMs: number };
}

export interface Violations {
  readonly reads: number;
  readonly writes: number;
  /** A read that began after a write was acknowledged and answered less. */
  readonly notReadYourWrites: number;
  /** A read that began after another had ended and answered less than that. */
  readonly newThenOld: number;
  /** Answers that are still wrong when all is quiet. */
  readonly staleAtRest: number;
}

/** Readers and writers that know, for every counter, what has been acknowledged and what has been seen. */
export async function hostileTraffic(traffic: HostileTraffic): Promise<Violations> {
  const { ports, counters, lateWriters = { writers: [], lagMs: 0 } } = traffic;
  const agent = new Agent({ keepAlive: true, maxSockets: 64 });
  const acknowledged = Array.from({ length: counters }, () => 0);
  const seen = Array.from({ length: counters }, () => 0);
  let started = 0;
  let reads = 0;
  let writes = 0;
  let notReadYourWrites = 0;
  let newThenOld = 0;

  const any = () => ports[Math.floor(Math.random() * ports.length)]!;
  const read = async (port: number, counter: number) =>
    JSON.parse((await ask(agent, port, 'GET', traffic.path(counter))).body) as { value: number };
  const note = (counter: number, value: number) => {
    if (value > acknowledged[counter]!) acknowledged[counter] = value;
  };
  const reader = async () => {
    while (started < traffic.reads) {
      started += 1;
      const counter = Math.floor(Math.random() * counters);
      const least = acknowledged[counter]!;
      const last = seen[counter]!;
      const { value } = await read(any(), counter);
      reads += 1;
      if (value < least) notReadYourWrites += 1;
      if (value < last) newThenOld += 1;
      if (value > seen[counter]!) seen[counter] = value;
    }
  };
  const writer = async (write: HostileTraffic['writers'][number], lagMs: number) => {
    while (started < traffic.reads) {
      const counter = Math.floor(Math.random() * counters);
      const value = await write(counter);
      writes += 1;
      if (value !== false) {
        if (lagMs === 0) note(counter, value);
        else setTimeout(() => note(counter, value), lagMs);
      }
      await sleep(Math.random() * 12);
    }
  };
  await Promise.all([
    ...Array.from({ length: traffic.readers }, reader),
    ...traffic.writers.map((write) => writer(write, 0)),
    ...lateWriters.writers.map((write) => writer(write, lateWriters.lagMs)),
  ]);
  await sleep(Math.max(50, 2 * lateWriters.lagMs));
  let staleAtRest = 0;
  for (let counter = 0; counter < counters; counter += 1) {
    const truth = await traffic.truth(counter);
    for (const port of ports) if ((await read(port, counter)).value !== truth) staleAtRest += 1;
  }
  agent.destroy();
  return { reads, writes, notReadYourWrites, newThenOld, staleAtRest };
}

/** A writer of the backend's own: in turn a transaction, one that is rolled back every tenth time, and a single statement. */
export function writerThrough(ports: readonly number[]): (counter: number) => Promise<number | false> {
  const agent = new Agent({ keepAlive: true });
  let turn = 0;
  return async (counter) => {
    turn += 1;
    const form = turn % 10 === 0 ? 'rollback' : turn % 2 === 0 ? 'autocommit' : 'transaction';
    const port = ports[turn % ports.length]!;
    const { status, body } = await ask(agent, port, 'POST', `/counters/${counter + 1}?form=${form}`);
    if (status === 409) return false;
    return (JSON.parse(body) as { value: number }).value;
  };
}

function ask(agent: Agent, port: number, method: string, path: string): Promise<{ readonly status: number; readonly body: string }> {
  return new Promise((resolve, reject) => {
    const sent = request({ agent, host: '127.0.0.1', port, method, path }, (response) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        body += chunk;
      });
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body }));
      response.on('error', reject);
    });
    sent.on('error', reject);
    sent.end();
  });
}
