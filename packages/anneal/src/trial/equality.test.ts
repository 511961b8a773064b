import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import '../../../../test/support/seeded-properties.ts';
import type { ReplayedAnswer } from '../workload/replay.ts';
import { compareAnswers, type EqualityRules, learnMasks, learnOrderFreeRequests } from './equality.ts';

function answer(body: unknown, changes: Partial<ReplayedAnswer> = {}): ReplayedAnswer {
  return {
    request: 'GET /invoices',
    method: 'GET',
    path: '/invoices',
    status: 200,
    headers: { 'content-type': 'application/json' },
    body: typeof body === 'string' ? body : JSON.stringify(body),
    error: null,
    ...changes,
  };
}

const strict: EqualityRules = { masks: [], orderFreeRequests: new Set() };
const compare = (baseline: unknown, candidate: unknown, rules = strict) => compareAnswers([answer(baseline)], [answer(candidate)], rules);
const places = (baseline: unknown, candidate: unknown) =>
  compare(baseline, candidate).mismatches.map(({ where, difference }) => `${where}: ${difference}`);

describe('answers of both arms', () => {
  test('a request that a policy refused got no answer that could be compared', () => {
    const refused = answer('Too many requests.', { status: 429, headers: { 'anneal-refused': 'limit-rate' } });
    expect(compareAnswers([answer([1])], [refused], strict)).toMatchObject({
      result: 'unknown',
      compared: 0,
      mismatches: [],
      unknown: [{ reason: expect.stringContaining('limit-rate') as string }],
    });
    // One that the application itself answers with is another answer.
    expect(compareAnswers([answer([1])], [{ ...refused, headers: {} }], strict).result).toBe('mismatch');
  });

  test('anything equals itself', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const equality = compare(value, value);
        expect(equality.result).toBe('match');
        expect(equality.compared).toBe(1);
      }),
    );
  });

  test('the order of keys and white space mean nothing, the order of elements does', () => {
    expect(compare('{"a":1,"b":2}', '{ "b": 2, "a": 1 }').result).toBe('match');
    expect(places([1, 2], [2, 1])).toEqual(['$[0]: 1 → 2']);
  });

  test('changing any one leaf is found, and nothing else is accused', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.nat(), (value, choice) => {
        const leaves = leafPaths(value);
        fc.pre(leaves.length > 0);
        const path = leaves[choice % leaves.length]!;
        const equality = compare(value, changedAt(value, path));
        expect(equality.result).toBe('mismatch');
        expect(equality.mismatches).toHaveLength(1);
      }),
    );
  });

  test('a changed leaf is found under masks of all other places', () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.stringMatching(/^[a-z]{1,6}$/), fc.oneof(fc.string(), fc.integer(), fc.boolean()), { minKeys: 2 }),
        fc.nat(),
        (record, choice) => {
          const keys = Object.keys(record);
          const changed = keys[choice % keys.length]!;
          const masks = keys
            .filter((key) => key !== changed)
            .map((key) => ({ request: 'GET /invoices', path: `$.${key}`, reason: 'test' }));
          const equality = compare(record, changedAt(record, [changed]), { ...strict, masks });
          expect(equality.mismatches.map(({ where }) => where)).toEqual([`$.${changed}`]);
        },
      ),
    );
  });

  test('numbers are compared as they are written, beyond what a double can hold', () => {
    expect(places('{"id":9007199254740993}', '{"id":9007199254740992}')).toEqual(['$.id: 9007199254740993 → 9007199254740992']);
    expect(places('{"price":1.10}', '{"price":1.1}')).toEqual(['$.price: 1.10 → 1.1']);
    expect(compare('{"price":1.10}', '{ "price": 1.10 }').result).toBe('match');
  });

  test('a field that disappears, appears or changes its type is told as such', () => {
    expect(places({ a: 1, b: 2 }, { a: '1', c: 2 })).toEqual([
      '$.a: number → string',
      '$.b: missing on the candidate',
      '$.c: only on the candidate',
    ]);
    expect(places({ a: null }, { a: {} })).toEqual(['$.a: null → object']);
    expect(places({ list: [1, 2] }, { list: [1] })).toEqual(['$.list: 2 → 1 elements']);
  });

  test('status and the headers clients act on are compared, others are not', () => {
    const redirect = answer('', { status: 302, headers: { location: '/a', 'x-request-id': '1' } });
    const where = (changes: Partial<ReplayedAnswer>) =>
      compareAnswers([redirect], [{ ...redirect, ...changes }], strict).mismatches.map((found) => found.where);
    expect(where({ status: 500, body: 'oops' })).toEqual(['status']);
    expect(where({ headers: { location: '/b', 'x-request-id': '2' } })).toEqual(['header:location']);
    expect(where({ headers: { location: '/a', 'x-request-id': '2' } })).toEqual([]);
    expect(where({ status: 0, error: 'ECONNRESET' })).toEqual(['status']);
  });

  test('text is equal to the last character or not at all, and is never quoted', () => {
    expect(compare('<p>hello</p>', '<p>hello</p>').result).toBe('match');
    expect(places('<p>hello</p>', '<p>hullo</p>')).toEqual(['body: text differs from character 5 on (12 → 12 characters)']);
  });

  test('the same difference in a hundred elements is told once', () => {
    const list = (total: number) => Array.from({ length: 100 }, (_, id) => ({ id, total }));
    expect(places(list(1), list(2))).toEqual(['$[0].total: 1 → 2']);
  });

  test('credentials and long values do not reach the report', () => {
    const long = 'x'.repeat(500);
    const told = JSON.stringify([
      places({ accessToken: 'hunter2-a' }, { accessToken: 'hunter2-b' }),
      places({ user: { password: { hash: 'hunter2-a' } } }, { user: { password: { hash: 'hunter2-b' } } }),
      places({ link: 'https://x/?token=hunter2-a' }, { link: 'https://x/?token=hunter2-b' }),
      places({ value: 'eyJhbGciOi.hunter2-a' }, { value: 'eyJhbGciOi.hunter2-b' }),
      compareAnswers([answer('', { headers: { location: '/?session=hunter2-a' } })], [answer('', { headers: { location: '/b' } })], strict)
        .mismatches,
      places({ long }, { long: `${long}y` }),
    ]);
    expect(told).not.toContain('hunter2');
    expect(told).not.toContain(long);
    expect(told.match(/\(hidden\)/g)).toHaveLength(9);
  });

  test('no answers at all are no proof', () => {
    expect(compareAnswers([], [], strict).result).toBe('unknown');
  });

  test('a replay that sent something else, or stopped early, leaves the rest unknown', () => {
    const other = answer({}, { request: 'GET /customers' });
    expect(compareAnswers([answer({}), answer({})], [answer({}), other], strict)).toMatchObject({ result: 'unknown', compared: 1 });
    expect(compareAnswers([answer({}), answer({})], [answer({})], strict)).toMatchObject({ result: 'unknown', compared: 1 });
    expect(compareAnswers([answer('', { status: 0, error: 'ECONNREFUSED' })], [answer('', { status: 0 })], strict).unknown).toEqual([
      { request: 'GET /invoices', reason: 'the baseline gave no answer (ECONNREFUSED)' },
    ]);
  });
});

describe('what two runs of the baseline answer differently', () => {
  const first = {
    items: [
      { id: 1, at: '10:00', total: 5 },
      { id: 2, at: '10:01', total: 6 },
    ],
    traceId: 'a',
  };
  const second = {
    items: [
      { id: 1, at: '11:00', total: 5 },
      { id: 2, at: '11:01', total: 6 },
    ],
    traceId: 'b',
  };
  const masks = learnMasks([answer(first)], [answer(second)]);
  const rules = { masks, orderFreeRequests: new Set<string>() };

  test('is learned as places, with any element of an array for one', () => {
    expect(masks.map(({ path }) => path)).toEqual(['$.items[].at', '$.traceId']);
  });

  test('is not held against the candidate, and every mask is listed', () => {
    const candidate = {
      items: [
        { id: 1, at: '12:00', total: 5 },
        { id: 2, at: '12:01', total: 6 },
      ],
      traceId: 'c',
    };
    const equality = compare(first, candidate, rules);
    expect(equality.result).toBe('match');
    expect(equality.masks).toEqual(masks);
  });

  test('must still be there, and of the same type', () => {
    const withItem = (item: unknown) => ({ ...first, items: [item, first.items[1]] });
    expect(compare(first, withItem({ id: 1, total: 5 }), rules).mismatches.map(({ where }) => where)).toEqual(['$.items[0].at']);
    expect(compare(first, withItem({ id: 1, at: null, total: 5 }), rules).result).toBe('mismatch');
    expect(compare(first, withItem({ id: 1, at: ['12:00'], total: 5 }), rules).result).toBe('mismatch');
  });

  test('belongs to its request alone', () => {
    const [before, after] = [answer({ traceId: 'a' }, { request: 'GET /other' }), answer({ traceId: 'b' }, { request: 'GET /other' })];
    expect(compareAnswers([before], [after], rules).result).toBe('mismatch');
  });

  test('hides nothing of a place that only the candidate changes', () => {
    expect(compare(first, { ...first, items: [first.items[0], { ...first.items[1], total: 7 }] }, rules).mismatches).toEqual([
      { request: 'GET /invoices', where: '$.items[1].total', difference: '6 → 7' },
    ]);
  });

  test('can be a header that both runs have', () => {
    const at = (location: string) => answer('', { status: 201, headers: { location } });
    const learned = { ...strict, masks: learnMasks([at('/invoices/1')], [at('/invoices/2')]) };
    expect(learned.masks.map(({ path }) => path)).toEqual(['header:location']);
    expect(compareAnswers([at('/invoices/1')], [at('/invoices/3')], learned).result).toBe('match');
    expect(compareAnswers([at('/invoices/1')], [answer('', { status: 201, headers: {} })], learned).result).toBe('mismatch');
  });

  test.each([
    ['text', '<p>10:00</p>', '<p>11:00</p>'],
    ['a lone value, which is the whole body', 1, 2],
    ['a field that comes and goes', { note: 'x' }, {}],
    ['a type', { note: null }, { note: 'x' }],
    ['the length of a list', [1, 2], [1]],
    ['everything in a list', [{ id: 1, name: 'a' }], [{ id: 2, name: 'b' }]],
  ])('makes a request unknown when it is %s', (_, one, other) => {
    const learned = { ...strict, masks: learnMasks([answer(one)], [answer(other)]) };
    const equality = compare(one, one, learned);
    expect(equality.result).toBe('unknown');
    expect(equality.compared).toBe(0);
    expect(equality.masks).toEqual([]);
    expect(equality.unknown).toHaveLength(1);
  });

  test('does not stop other requests from being found to differ', () => {
    const page = (body: string) => answer(body, { request: 'GET /page' });
    const learned = { ...strict, masks: learnMasks([page('a')], [page('b')]) };
    expect(compareAnswers([page('a'), answer({ a: 1 })], [page('b'), answer({ a: 2 })], learned).result).toBe('mismatch');
  });

  test('is nothing for two equal runs', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(learnMasks([answer(value)], [answer(value)])).toEqual([]);
      }),
    );
  });

  test('learned from any two answers never makes those two a mismatch', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), (one, other) => {
        const [before, after] = [[answer(one)], [answer(other)]];
        const learned = { masks: learnMasks(before, after), orderFreeRequests: learnOrderFreeRequests(before, after) };
        expect(compareAnswers(before, after, learned).result).not.toBe('mismatch');
      }),
    );
  });
});

describe('arrays that nothing orders', () => {
  const rules = { masks: [], orderFreeRequests: new Set(['GET /invoices']) };
  const rows = [
    { id: 1, tags: ['a', 'b'] },
    { id: 2, tags: [] },
    { id: 2, tags: [] },
  ];

  test('match in any order, and are counted', () => {
    const equality = compare({ rows }, { rows: [rows[2], { id: 1, tags: ['b', 'a'] }, rows[1]] }, rules);
    expect(equality.result).toBe('match');
    expect(equality.reordered).toBe(1);
  });

  test('match in order without being counted', () => {
    expect(compare({ rows }, { rows }, rules).reordered).toBe(0);
  });

  test('still need every element as often as it was', () => {
    expect(compare({ rows }, { rows: [rows[1], rows[0], rows[0]] }, rules).result).toBe('mismatch');
  });

  test('are learned where two runs of the baseline only change the order, and need no masks then', () => {
    const [one, other] = [[answer(rows)], [answer([rows[1], rows[0], rows[2]])]];
    expect(learnOrderFreeRequests(one, other)).toEqual(new Set(['GET /invoices']));
    expect(learnMasks(one, other)).toEqual([]);
    expect(learnOrderFreeRequests(one, one)).toEqual(new Set());
    expect(learnOrderFreeRequests([...one, answer([1])], [...other, answer([2])])).toEqual(new Set());
  });

  test('keep their masks', () => {
    const masks = [{ request: 'GET /invoices', path: '$[].at', reason: 'test' }];
    const equality = compare(
      [
        { id: 1, at: 'x' },
        { id: 2, at: 'y' },
      ],
      [
        { id: 2, at: 'v' },
        { id: 1, at: 'w' },
      ],
      { ...rules, masks },
    );
    expect(equality).toMatchObject({ result: 'match', reordered: 1 });
    expect(compare([{ id: 1, at: 'x' }], [{ id: 1, at: 3 }], { ...rules, masks }).result).toBe('mismatch');
  });
});

type Path = readonly (string | number)[];

function leafPaths(value: unknown, path: Path = []): readonly Path[] {
  if (value === null || typeof value !== 'object') return [path];
  return Object.entries(value).flatMap(([key, child]) => leafPaths(child, [...path, Array.isArray(value) ? Number(key) : key]));
}

/** The same value but for one leaf, which keeps its type. */
function changedAt(value: unknown, [step, ...rest]: Path): unknown {
  if (step === undefined) {
    if (typeof value === 'number') return value === 0 ? 1 : -value;
    if (typeof value === 'boolean') return !value;
    return typeof value === 'string' ? `${value}!` : 'was null';
  }
  if (Array.isArray(value)) return value.map((element, index) => (index === step ? changedAt(element, rest) : element));
  return Object.fromEntries(Object.entries(value as object).map(([key, child]) => [key, key === step ? changedAt(child, rest) : child]));
}
