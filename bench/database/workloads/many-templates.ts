import type { DatabaseSnapshot } from '../../../packages/anneal/src/ports/database-snapshot.ts';
import { seededRandom, type Random } from '../../../packages/anneal/src/stats/random.ts';
import { imaginedSnapshot, type ImaginedColumn, type ImaginedTable } from './imagined-tables.ts';

/**
 * 90 analytic templates over 45 tables with 300 columns and more that conditions, joins, groups and sorts ask for: the size at which a
 * search that costs every candidate one by one asks the planner tens of thousands of times.
 */
export function manyTemplates(seed: number): DatabaseSnapshot {
  const random = seededRandom(seed, 'many templates');
  const tables = Array.from({ length: 45 }, (_, at) => tableOf(at, random));
  const statements = Array.from({ length: 90 }, (_, at) => ({
    id: `t${at + 1}`,
    text: templateOf(tables, at, random),
    calls: random.integer(1, 20),
    rows: 100,
    samples: [[]],
  }));
  return imaginedSnapshot(tables, statements);
}

function tableOf(at: number, random: Random): ImaginedTable {
  const rows = Math.round(10 ** (4 + 2.7 * random.next()));
  const columns: ImaginedColumn[] = [
    { name: `t${at}_id`, type: 'integer', distinct: -1, upTo: rows, correlation: 1 },
    ...[0, 1, 2].map((each): ImaginedColumn => {
      const distinct = Math.round(rows / 10 ** (0.5 + 2 * random.next()));
      return { name: `t${at}_ref${each}`, type: 'integer', distinct, upTo: distinct };
    }),
    ...[0, 1, 2].map((each): ImaginedColumn => {
      const distinct = random.integer(3, 90);
      return { name: `t${at}_kind${each}`, type: 'integer', distinct, upTo: distinct };
    }),
    { name: `t${at}_at`, type: 'timestamp with time zone', distinct: -0.8, upTo: 100_000_000, correlation: random.next() },
    { name: `t${at}_amount`, type: 'integer', distinct: -0.4, upTo: 1_000_000 },
    { name: `t${at}_name`, type: 'text', distinct: -0.9, upTo: rows, widthBytes: random.integer(12, 40) },
    { name: `t${at}_note`, type: 'text', distinct: -1, widthBytes: random.integer(40, 160) },
  ];
  return { name: `t${at}`, rows, columns, primaryKey: [`t${at}_id`] };
}

/** One to four tables in a chain of references, two to four conditions, and often a group or a page. Each table is asked by two templates at least. */
function templateOf(tables: readonly ImaginedTable[], at: number, random: Random): string {
  const first = at % tables.length;
  const others = random.shuffle(tables.map((_, each) => each).filter((each) => each !== first)).slice(0, random.integer(0, 3));
  const chain = [first, ...others];
  const joins = chain.slice(1).map((table, each) => `t${chain[each]!}_ref${random.integer(0, 2)} = t${table}_id`);
  const conditions = chain.flatMap((table) =>
    random.shuffle(conditionsOf(tables[table]!, table, random)).slice(0, table === first ? 2 : 1),
  );
  const where = [...joins, ...conditions].join(' AND ');
  const from = chain.map((table) => `t${table}`).join(', ');
  switch (at % 3) {
    case 0:
      return `SELECT t${first}_kind0, count(*), sum(t${first}_amount) FROM ${from} WHERE ${where} GROUP BY t${first}_kind0`;
    case 1:
      return `SELECT t${first}_id, t${first}_name FROM ${from} WHERE ${where} ORDER BY t${first}_at DESC LIMIT 50`;
    default:
      return `SELECT sum(t${first}_amount) FROM ${from} WHERE ${where}`;
  }
}

function conditionsOf({ columns }: ImaginedTable, at: number, random: Random): readonly string[] {
  const pick = (name: string) => columns.find((column) => column.name === `t${at}_${name}`)!;
  const value = (name: string) => Math.floor(random.next() * (pick(name).upTo ?? 1));
  const moment = (seconds: number) => `'${new Date(seconds * 1000).toISOString()}'`;
  const from = random.integer(0, 90_000_000);
  return [
    ...['kind0', 'kind1', 'kind2', 'ref0', 'ref1', 'ref2'].map((name) => `t${at}_${name} = ${value(name)}`),
    `t${at}_at BETWEEN ${moment(from)} AND ${moment(from + random.integer(100_000, 5_000_000))}`,
    `t${at}_amount > ${random.integer(900_000, 999_000)}`,
    `t${at}_name = 'v${String(value('name')).padStart(9, '0')}'`,
  ];
}
