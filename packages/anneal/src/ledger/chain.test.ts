import fc from 'fast-check';
import { expect, test } from 'vitest';
import '../../../../test/support/seeded-properties.ts';
import { AnnealError } from '../errors.ts';
import { lineOf, readChain, sealNext } from './chain.ts';
import type { LedgerEntry } from './ledger.ts';

type Event = { readonly type: string; readonly text: string; readonly nested: readonly number[] };

const events = fc.array(
  fc.record({
    type: fc.string(),
    text: fc.string({ unit: 'binary' }),
    nested: fc.array(fc.double({ noNaN: true, noDefaultInfinity: true })),
  }),
  {
    minLength: 1,
    maxLength: 6,
  },
);

function chainOf(list: readonly Event[]): readonly LedgerEntry<Event>[] {
  const entries: LedgerEntry<Event>[] = [];
  for (const event of list) entries.push(sealNext(entries.at(-1), { at: '2026-11-20T10:00:00.000Z', run: 'r', event }));
  return entries;
}

const textOf = (entries: readonly LedgerEntry<Event>[]) => entries.map(lineOf).join('');

/** What a reader makes of bytes that may no longer be UTF-8. */
function isRefused(bytes: Uint8Array): boolean {
  try {
    readChain('ledger.jsonl', Buffer.from(bytes).toString('utf8'));
    return false;
  } catch (error) {
    return error instanceof AnnealError && error.code === 'ANNEAL_LEDGER_BROKEN';
  }
}

test('what was written is read back, whatever the events hold', () => {
  fc.assert(
    fc.property(events, (list) => {
      const entries = chainOf(list);
      const read = readChain<Event>('ledger.jsonl', textOf(entries));
      expect(read.torn).toBe(false);
      expect(textOf(read.entries)).toBe(textOf(entries));
    }),
  );
});

test('any changed byte is refused', () => {
  fc.assert(
    fc.property(events, fc.nat(), fc.integer({ min: 1, max: 255 }), (list, position, difference) => {
      const bytes = Buffer.from(textOf(chainOf(list)));
      const at = position % bytes.length;
      bytes[at] = bytes[at]! ^ difference;
      expect(isRefused(bytes)).toBe(true);
    }),
    { numRuns: 2000 },
  );
});

test('any removed byte is refused, except the very last, which a kill may have cut off', () => {
  fc.assert(
    fc.property(events, fc.nat(), (list, position) => {
      const bytes = Buffer.from(textOf(chainOf(list)));
      const at = position % (bytes.length - 1);
      expect(isRefused(Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1)]))).toBe(true);
    }),
    { numRuns: 2000 },
  );
});

test('an inserted byte is refused', () => {
  fc.assert(
    fc.property(events, fc.nat(), fc.integer({ min: 0, max: 255 }), (list, position, byte) => {
      const bytes = Buffer.from(textOf(chainOf(list)));
      const at = position % bytes.length;
      expect(isRefused(Buffer.concat([bytes.subarray(0, at), Buffer.of(byte), bytes.subarray(at)]))).toBe(true);
    }),
    { numRuns: 2000 },
  );
});

test('lines that were swapped, repeated or taken out of the middle are refused', () => {
  const lines = chainOf(['a', 'b', 'c', 'd'].map((type) => ({ type, text: '', nested: [] }))).map(lineOf);
  const arrangements = fc
    .array(fc.nat(3), { minLength: 1, maxLength: 6 })
    .filter((order) => order.some((line, position) => line !== position));
  fc.assert(
    fc.property(arrangements, (order) => {
      expect(isRefused(Buffer.from(order.map((line) => lines[line]!).join('')))).toBe(true);
    }),
    { numRuns: 500 },
  );
});

test('the error says which entry is the first that does not fit', () => {
  const lines = chainOf(['a', 'b', 'c'].map((type) => ({ type, text: '', nested: [] }))).map(lineOf);
  const changed = [lines[0]!, lines[1]!.replace('"b"', '"x"'), lines[2]!].join('');
  expect(() => readChain('/runs/ledger.jsonl', changed)).toThrow(
    expect.objectContaining({ details: { path: '/runs/ledger.jsonl', sequence: 2 } }),
  );
});

test('wherever a kill cuts an append short, the entries before it are read and the rest is called torn', () => {
  const [first, second] = chainOf([
    { type: 'a', text: 'ü🙂', nested: [1] },
    { type: 'b', text: 'ü🙂\uFFFD', nested: [2] },
  ]);
  const whole = Buffer.from(lineOf(first!));
  const cut = Buffer.from(lineOf(second!));
  for (let length = 1; length < cut.length; length += 1) {
    const read = readChain<Event>('ledger.jsonl', Buffer.concat([whole, cut.subarray(0, length)]).toString('utf8'));
    expect(read).toEqual({ entries: [first], torn: true });
  }
});
