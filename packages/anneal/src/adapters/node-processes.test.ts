import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtempDisposable } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createProcesses } from './node-processes.ts';

const processes = createProcesses();
const spec = (command: string, cwd = tmpdir()) => ({ command, cwd, env: { GREETING: 'hello' } });
const isLinux = process.platform === 'linux';

function livingInGroup(group: number): string {
  const rows = execFileSync('ps', ['-e', '-o', 'pgid=,stat=,args='], { encoding: 'utf8' }).split('\n');
  return rows.filter((row) => new RegExp(`^\\s*${group}\\s+[^Z]`).test(row)).join('\n');
}

test('the command runs in a shell with the environment given, and its last words are kept', async () => {
  await using running = await processes.start(spec('echo "$GREETING out"; echo "$GREETING err" >&2; exit 3'));
  expect(await running.exited).toEqual({ code: 3, signal: null });
  expect(running.recentOutput().split('\n').toSorted()).toEqual(['hello err', 'hello out']);
});

test('output is kept to its end only', async () => {
  await using running = await processes.start(spec('seq 1 20000'));
  await running.exited;
  expect(running.recentOutput().split('\n').at(-1)).toBe('20000');
  expect(running.recentOutput().length).toBeLessThan(1000);
});

test('the command does not begin before its identity was announced, and never when the announcement fails', async () => {
  await using place = await mkdtempDisposable(join(tmpdir(), 'anneal-processes-'));
  const trace = join(place.path, 'began');
  let announced = 0;
  const failing = processes.start(spec(`touch ${trace}; sleep 60`), async (identity) => {
    announced = identity.pid;
    expect(await processes.identify(identity.pid)).toEqual(identity);
    throw new Error('the disk is full');
  });
  await expect(failing).rejects.toThrow('the disk is full');
  expect(livingInGroup(announced)).toBe('');
  expect(existsSync(trace)).toBe(false);

  await using running = await processes.start(spec(`touch ${trace}`), async (identity) => {
    announced = identity.pid;
  });
  expect((await running.exited).code).toBe(0);
  expect(running.identity.pid).toBe(announced);
  expect(existsSync(trace)).toBe(true);
});

test('stopping ends the whole group, also processes that ignore SIGTERM and those a shell started', async () => {
  const stubborn = `process.on('SIGTERM', () => {}); console.log('ready'); setInterval(() => {}, 1000)`;
  await using running = await processes.start(spec(`sleep 60 & "${process.execPath}" -e "${stubborn}"; true`));
  await expect.poll(() => running.recentOutput()).toContain('ready');
  expect(livingInGroup(running.identity.pid).split('\n').length).toBeGreaterThanOrEqual(3);
  await running.stop(50);
  expect(livingInGroup(running.identity.pid)).toBe('');
});

test('what a command leaves running in its group goes when the command ends', async () => {
  await using running = await processes.start(spec('sleep 60 & exit 0'));
  await running.exited;
  await expect.poll(() => livingInGroup(running.identity.pid)).toBe('');
});

test('a folder that does not exist is an error of the start', async () => {
  await expect(processes.start(spec('true', '/no/such/folder'))).rejects.toThrow('ENOENT');
});

test('a process is ended by its identity, and a later one with the same pid is not', async () => {
  await using running = await processes.start(spec('sleep 60'));
  const { pid, startTicks } = running.identity;
  await processes.end({ pid, startTicks: startTicks - 1 });
  expect(livingInGroup(pid)).toContain('sleep 60');
  await processes.end({ pid, startTicks });
  expect(livingInGroup(pid)).toBe('');
  await processes.end({ pid, startTicks });
});

test.runIf(isLinux)('CPU counts what the process and its children burnt, finer than the 10 ms of a clock tick', async () => {
  const burn = `const { cpuUsage } = process; while (cpuUsage().user + cpuUsage().system < 150_000); console.log('burnt'); setInterval(() => {}, 1000)`;
  await using running = await processes.start(spec(`"${process.execPath}" -e "${burn}"; true`));
  await expect.poll(() => running.recentOutput()).toContain('burnt');
  const usage = await processes.usage(running.identity.pid);
  expect(usage!.cpuMs).toBeGreaterThanOrEqual(150);
  expect(usage!.cpuMs % 10).not.toBe(0);
  expect(usage!.residentBytes).toBeGreaterThan(10_000_000);
});

test.runIf(isLinux)('CPU of threads that ended is not forgotten', async () => {
  const worker = `const end = process.cpuUsage().user + 200_000; while (process.cpuUsage().user < end);`;
  const main = `new (require('node:worker_threads').Worker)(${JSON.stringify(worker)}, { eval: true }).on('exit', () => console.log('ended')); setInterval(() => {}, 1000)`;
  await using running = await processes.start({ command: `"${process.execPath}" -e "$MAIN"`, cwd: tmpdir(), env: { MAIN: main } });
  await expect.poll(() => running.recentOutput(), { timeout: 10_000 }).toContain('ended');
  const usage = await processes.usage(running.identity.pid);
  expect(usage!.cpuMs).toBeGreaterThan(190);
});

test('a process that is gone has neither identity nor usage', async () => {
  await using running = await processes.start(spec('true'));
  await running.exited;
  expect(await processes.identify(running.identity.pid)).toBeNull();
  expect(await processes.usage(running.identity.pid)).toBeNull();
});

test('a free port can be listened on', async () => {
  const port = await processes.freePort();
  const listen = `require('node:net').createServer().listen(${port}, '127.0.0.1', () => process.exit(0))`;
  await using running = await processes.start(spec(`"${process.execPath}" -e "${listen}"`));
  expect(await running.exited).toEqual({ code: 0, signal: null });
});
