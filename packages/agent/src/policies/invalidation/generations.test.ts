import { describe, expect, test } from 'vitest';
import { Generations } from './generations.ts';
import { Meanings, tagsRead, tagsWritten, type KeyParameter } from './knowledge.ts';
import { parseSnapshot, sees } from './snapshots.ts';

describe('a snapshot', () => {
  test.each([
    ['100:105:102', 99, true],
    ['100:105:102', 101, true],
    ['100:105:102', 102, false],
    ['100:105:102', 105, false],
    ['100:100:', 99, true],
    ['100:100:', 100, false],
    // The ids of the stream have 32 bits, those of snapshots 64; they have gone round twice.
    [`${2 ** 33 + 5}:${2 ** 33 + 9}:${2 ** 33 + 6}`, 4, true],
    [`${2 ** 33 + 5}:${2 ** 33 + 9}:${2 ** 33 + 6}`, 6, false],
    [`${2 ** 33 - 2}:${2 ** 33 + 3}:`, 2 ** 32 - 3, true],
    [`${2 ** 33 - 2}:${2 ** 33 + 3}:`, 1, true],
    [`${2 ** 33 - 2}:${2 ** 33 + 3}:`, 3, false],
  ])('%s sees transaction %i: %s', (text, transactionId, expected) => {
    expect(sees(parseSnapshot(text)!, transactionId)).toBe(expected);
  });

  test.each([null, '', '1:2', 'a:b:', 5])('%s is none', (text) => {
    expect(parseSnapshot(text)).toBeNull();
  });
});

describe('what others wrote', () => {
  const lease = (generations: Generations, seen: string) => ({ at: generations.clock, sharedAt: 0, snapshots: [parseSnapshot(seen)!] });

  test('drops what was read before it could be seen, and leaves what was read after', () => {
    const generations = new Generations();
    const tags = [generations.tag('t')];
    const before = lease(generations, '100:100:');
    const after = lease(generations, '101:101:');
    generations.writtenOutside(['t'], 100);
    expect([generations.verdict(tags, before), generations.verdict(tags, after)]).toEqual(['stale', 'fresh']);
    expect(generations.keepable(tags, lease(generations, '100:101:100'))).toBe(false);
  });

  test('is remembered as long as readers may not see it, however much is written after it', () => {
    const generations = new Generations();
    const tags = [generations.tag('t')];
    generations.writtenOutside(['t'], 100);
    // A reader that sees all but the first, which waits for its standby.
    const seen = '100:1000:100';
    for (let transaction = 101; transaction < 300; transaction += 1) {
      generations.writtenOutside(['t'], transaction);
      expect(generations.keepable(tags, lease(generations, seen))).toBe(false);
    }
    expect(tags[0]!.outside.length).toBeLessThan(100);
    expect(generations.keepable(tags, lease(generations, '1000:1000:'))).toBe(true);
  });

  test('is never held against nothing: without a snapshot nothing stands', () => {
    const generations = new Generations();
    generations.writtenOutside(['t'], 100);
    expect(generations.verdict([generations.tag('t')], { at: generations.clock, sharedAt: 0, snapshots: [] })).toBe('stale');
  });

  test('to everything drops everything', () => {
    const generations = new Generations();
    generations.writtenOutside(['*'], 100);
    expect(generations.verdict([generations.tag('t')], lease(generations, '100:100:'))).toBe('stale');
  });
});

test('tags that are forgotten take what depends on them along, and those of open writes stay', () => {
  const generations = new Generations();
  const tags = [generations.tag('kept')];
  const lease = { at: generations.clock, sharedAt: 0, snapshots: [] };
  const open = generations.tag('open');
  open.inFlight = 1;
  for (let number = 0; number < 120_000; number += 1) generations.tag(`t:id=${number}`);
  expect(generations.verdict(tags, lease)).toBe('stale');
  expect(generations.tag('open')).toBe(open);
  expect(generations.verdict([generations.tag('kept')], { ...lease, at: generations.clock })).toBe('fresh');
});

describe('a key', () => {
  const use = (type: KeyParameter['type']) => [{ table: 't', key: { column: 'id', parameter: 1, type } }];

  test.each<[KeyParameter['type'], unknown, string]>([
    ['integer', 5, '5'],
    ['integer', ' 05', '5'],
    ['integer', '+5', '5'],
    ['integer', 5n, '5'],
    ['integer', '-0', '0'],
    ['text', 'a=b', 'a=b'],
    ['text', 7, '7'],
    ['uuid', '{A0EEBC99-9C0B4EF8-BB6D6BB9-BD380A11}', 'a0eebc999c0b4ef8bb6d6bb9bd380a11'],
  ])('of type %s given as %o has one spelling', (type, value, spelling) => {
    expect(tagsRead(use(type), [value])).toEqual(['t:*', `t:id=${spelling}`]);
    expect(tagsWritten(use(type), [value])).toEqual(['t', `t:id=${spelling}`]);
  });

  test.each<[KeyParameter['type'], unknown]>([
    ['integer', '0x5'],
    ['integer', '1_0'],
    ['integer', 5.5],
    ['integer', null],
    ['integer', [5]],
    ['integer', new Date(5)],
    ['text', true],
    ['uuid', 5],
    ['uuid', 'a0ee'],
  ])('of type %s given as %o may be any row’s', (type, value) => {
    expect(tagsRead(use(type), [value])).toEqual(['t']);
    expect(tagsWritten(use(type), [value])).toEqual(['t', 't:*']);
  });
});

test.each([
  ['BEGIN', 'begin'],
  ['start transaction isolation level serializable, read only, deferrable;', 'begin'],
  ['COMMIT', 'commit'],
  ['end transaction', 'commit'],
  ['COMMIT AND CHAIN', 'unknown'],
  ['COMMIT PREPARED ?', 'unknown'],
  ['ROLLBACK', 'within-transaction'],
  ['rollback to savepoint "a b"', 'within-transaction'],
  ['RELEASE s1', 'within-transaction'],
  ['BEGIN; DELETE FROM t', 'unknown'],
  ['COMMIT; DELETE FROM t', 'unknown'],
  ['SAVEPOINT a; DELETE FROM t', 'unknown'],
  ["SET timezone TO 'UTC'", 'setting'],
  ['SET LOCAL timezone = 1', 'unknown'],
  ['SET ROLE admin', 'unknown'],
  ["SET a TO 'b'; DELETE FROM t", 'unknown'],
  ['SET SESSION AUTHORIZATION x', 'unknown'],
  ['TRUNCATE t', 'unknown'],
  ['', 'unknown'],
])('the statement %s is %s', (sql, kind) => {
  expect(new Meanings([]).of(sql).kind).toBe(kind);
});
