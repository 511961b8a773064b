import { appendFile, mkdtempDisposable, readFile, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { nodeClock } from '../adapters/node-clock.ts';
import { createFiles } from '../adapters/node-files.ts';
import { createProcesses } from '../adapters/node-processes.ts';
import type { AnnealError } from '../errors.ts';
import type { Files } from '../ports/files.ts';
import { openLedger, readLedger } from './open-ledger.ts';

type Event = { readonly type: string };

const outside = { files: createFiles(), clock: nodeClock, processes: createProcesses() };
const folder = () => mkdtempDisposable(join(tmpdir(), 'anneal-ledger-'));
const typesOf = (entries: readonly { readonly event: Event }[]) => entries.map(({ event }) => event.type);

test('entries are numbered over all runs and are there again after closing and opening', async () => {
  await using place = await folder();
  const path = join(place.path, 'new', 'ledger.jsonl');
  {
    await using ledger = await openLedger<Event>(outside, path);
    expect(await ledger.entries()).toEqual([]);
    await Promise.all([ledger.append('one', { type: 'a' }), ledger.append('one', { type: 'b' })]);
  }
  await using ledger = await openLedger<Event>(outside, path);
  const third = await ledger.append('two', { type: 'c' });
  expect(third).toMatchObject({ sequence: 3, run: 'two' });
  expect(typesOf(await ledger.entries())).toEqual(['a', 'b', 'c']);
  expect(await readLedger(outside.files, path)).toEqual(await ledger.entries());
});

test('an append that was cut short is ignored, and the next append begins where it began', async () => {
  await using place = await folder();
  const path = join(place.path, 'ledger.jsonl');
  {
    await using ledger = await openLedger<Event>(outside, path);
    await ledger.append('one', { type: 'a' });
    await ledger.append('one', { type: 'b' });
  }
  await truncate(path, (await readFile(path)).length - 7);
  {
    await using ledger = await openLedger<Event>(outside, path);
    expect(typesOf(await ledger.entries())).toEqual(['a']);
    await ledger.append('two', { type: 'c' });
  }
  expect(typesOf(await readLedger<Event>(outside.files, path))).toEqual(['a', 'c']);
});

test('a ledger with a changed byte does not open, stays as it is, and is not left locked', async () => {
  await using place = await folder();
  const path = join(place.path, 'ledger.jsonl');
  {
    await using ledger = await openLedger<Event>(outside, path);
    await ledger.append('one', { type: 'a' });
    await ledger.append('one', { type: 'b' });
  }
  const original = await readFile(path, 'utf8');
  const changed = original.replace('"type":"a"', '"type":"z"');
  await writeFile(path, changed);
  await expect(openLedger(outside, path)).rejects.toMatchObject({ code: 'ANNEAL_LEDGER_BROKEN', details: { sequence: 1 } });
  expect(await readFile(path, 'utf8')).toBe(changed);
  await writeFile(path, original);
  await using ledger = await openLedger<Event>(outside, path);
  expect(typesOf(await ledger.entries())).toEqual(['a', 'b']);
});

test('a second writer is turned away until the first is done; a reader is not', async () => {
  await using place = await folder();
  const path = join(place.path, 'ledger.jsonl');
  const first = await openLedger<Event>(outside, path);
  await first.append('one', { type: 'a' });
  await expect(openLedger(outside, path)).rejects.toMatchObject({ code: 'ANNEAL_LEDGER_LOCKED', details: { pid: process.pid } });
  expect(typesOf(await readLedger<Event>(outside.files, path))).toEqual(['a']);
  await first.close();
  await using second = await openLedger<Event>(outside, path);
  expect(typesOf(await second.entries())).toEqual(['a']);
  await expect(first.append('one', { type: 'b' })).rejects.toThrow('closed');
});

test('of many writers that come at the same moment at most one gets in', async () => {
  await using place = await folder();
  const path = join(place.path, 'ledger.jsonl');
  const results = await Promise.allSettled(Array.from({ length: 8 }, () => openLedger<Event>(outside, path)));
  const inside = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
  const refusals = results.flatMap((result) => (result.status === 'rejected' ? [result.reason as AnnealError] : []));
  expect(inside.length).toBeLessThanOrEqual(1);
  expect(new Set(refusals.map(({ code }) => code))).toEqual(new Set(['ANNEAL_LEDGER_LOCKED']));
  for (const ledger of inside) await ledger.close();
  await using afterwards = await openLedger<Event>(outside, path);
  expect(await afterwards.entries()).toEqual([]);
});

test('the lock of a process that is gone is taken over, also when its pid lives on in another process', async () => {
  await using place = await folder();
  const path = join(place.path, 'ledger.jsonl');
  const own = (await outside.processes.identify(process.pid))!;
  await writeFile(`${path}.lock.${process.pid}-${own.startTicks - 1}-00000000`, '');
  await writeFile(`${path}.lock.4194305-1-00000000`, '');
  {
    await using ledger = await openLedger<Event>(outside, path);
    await ledger.append('one', { type: 'a' });
  }
  expect(await outside.files.list(place.path)).toEqual(['ledger.jsonl']);
});

test('a full disk in the middle of an append leaves a ledger that goes on once there is room', async () => {
  await using place = await folder();
  const path = join(place.path, 'ledger.jsonl');
  let isFull = false;
  const files: Files = {
    ...outside.files,
    async append(target, content) {
      if (!isFull) return outside.files.append(target, content);
      await appendFile(target, content.slice(0, 20));
      throw new Error('ENOSPC');
    },
  };
  await using ledger = await openLedger<Event>({ ...outside, files }, path);
  await ledger.append('one', { type: 'a' });
  isFull = true;
  await expect(ledger.append('one', { type: 'b' })).rejects.toThrow('ENOSPC');
  expect(typesOf(await ledger.entries())).toEqual(['a']);
  isFull = false;
  await ledger.append('one', { type: 'c' });
  expect(typesOf(await readLedger<Event>(outside.files, path))).toEqual(['a', 'c']);
});

test('an append that reached the disk although it reported a failure keeps its place in the chain', async () => {
  await using place = await folder();
  const path = join(place.path, 'ledger.jsonl');
  let losesAnswers = true;
  const files: Files = {
    ...outside.files,
    async append(target, content) {
      await outside.files.append(target, content);
      if (losesAnswers) throw new Error('EIO');
    },
  };
  await using ledger = await openLedger<Event>({ ...outside, files }, path);
  await expect(ledger.append('one', { type: 'a' })).rejects.toThrow('EIO');
  losesAnswers = false;
  expect((await ledger.append('one', { type: 'b' })).sequence).toBe(2);
  expect(typesOf(await readLedger<Event>(outside.files, path))).toEqual(['a', 'b']);
});
