import { expect, test } from 'vitest';
import type { MysqlColumnObservation } from '../../../measurement/mysql-observations.ts';
import { catalogueOf, readDigest } from './read-digest.ts';

const column = (table: string, name: string): MysqlColumnObservation => ({ table, name, type: 'int', nullable: true, mostBytes: null });
const columns = (table: string, ...names: readonly string[]) => names.map((name) => column(table, name));
const catalogue = catalogueOf([
  ...columns('orders', 'id', 'customer_id', 'status', 'created_at', 'total', 'note'),
  ...columns('customers', 'id', 'email', 'city'),
  ...columns('we`ird', 'a`b', 'from'),
  ...columns('status', 'name'),
]);
const context = { database: 'shop', catalogue, maxDigestBytes: 1024 };
const read = (digest: string) => readDigest(digest, context, 20)!;

test('conditions of a statement are read from the digest, a keyword among the columns too', () => {
  const { shape, explain } = read(
    'SELECT * FROM `orders` WHERE STATUS = ? AND `created_at` > ? AND `total` BETWEEN ? AND ? AND `id` IN (...) ORDER BY `total` DESC , `id` LIMIT ?',
  );
  expect(shape).toEqual({
    tables: [{ alias: 'orders', table: 'orders' }],
    conditions: [
      { kind: 'equal', alias: 'orders', column: 'status' },
      { kind: 'range', alias: 'orders', column: 'created_at' },
      { kind: 'range', alias: 'orders', column: 'total' },
      { kind: 'equal', alias: 'orders', column: 'id' },
    ],
    order: [
      { alias: 'orders', column: 'total', descending: true },
      { alias: 'orders', column: 'id', descending: false },
    ],
    summarises: false,
    hasLimit: true,
  });
  expect(explain.text).toBe(
    'SELECT * FROM `orders` WHERE STATUS = @anneal_0 AND `created_at` > @anneal_1 AND `total` BETWEEN @anneal_2 AND @anneal_2 AND `id` IN ( @anneal_3 ) ORDER BY `total` DESC , `id` LIMIT 20',
  );
  expect(explain.standIns[0]).toEqual({ variable: '@anneal_0', table: 'orders', column: 'status' });
});

test('joins keep their aliases, and what only one table has needs none', () => {
  const { shape } = read(
    'SELECT `o` . `id` FROM `orders` `o` LEFT JOIN `customers` AS `c` ON `c` . `id` = `o` . `customer_id` INNER JOIN ( SELECT ? ) AS `x` ON `x` . `y` = ? WHERE `email` = ? AND ? >= `total`',
  );
  expect(shape.tables).toEqual([
    { alias: 'o', table: 'orders' },
    { alias: 'c', table: 'customers' },
    { alias: 'x', table: null },
  ]);
  expect(shape.conditions).toEqual([
    { kind: 'join', alias: 'c', column: 'id', other: { alias: 'o', column: 'customer_id' } },
    { kind: 'opaque', text: '`x` . `y` = ?', aliases: [] },
    { kind: 'equal', alias: 'c', column: 'email' },
    { kind: 'range', alias: 'o', column: 'total' },
  ]);
});

test('what no index on a plain column serves is opaque', () => {
  const conditions = (where: string) => read(`SELECT * FROM \`orders\` WHERE ${where}`).shape.conditions.map(({ kind }) => kind);
  expect(conditions('`lower` ( `note` ) = ?')).toEqual(['opaque']);
  expect(conditions('`total` + ? = ?')).toEqual(['opaque']);
  expect(conditions('`total` = ? OR `id` = ?')).toEqual(['opaque']);
  expect(conditions('( `total` = ? OR `id` = ? ) AND `note` IS NULL')).toEqual(['opaque', 'equal']);
  expect(conditions('`total` <> ? AND `note` IS NOT NULL AND `note` NOT IN (...)')).toEqual(['opaque', 'opaque', 'opaque']);
  expect(conditions('`id` IN ( SELECT `order_id` FROM `items` )')).toEqual(['opaque']);
  expect(conditions('`id` = `unknown`')).toEqual(['opaque']);
  expect(conditions('`note` LIKE ?')).toEqual(['like']);
});

test('a constant of another type than the column is no value of the column', () => {
  const { explain } = read('SELECT * FROM `orders` WHERE `created_at` >= NOW ( ) - INTERVAL ? SQL_TSI_DAY LIMIT ?, ...');
  expect(explain).toEqual({ text: 'SELECT * FROM `orders` WHERE `created_at` >= NOW ( ) - INTERVAL 1 SQL_TSI_DAY LIMIT 20', standIns: [] });
});

test('hostile names stay names', () => {
  const { shape, explain } = read('SELECT * FROM `we``ird` AS `select` WHERE `select` . `a``b` = ? AND `from` = ?');
  expect(shape.tables).toEqual([{ alias: 'select', table: 'we`ird' }]);
  expect(shape.conditions).toMatchObject([{ column: 'a`b' }, { column: 'from' }]);
  expect(explain.text).toBe('SELECT * FROM `we``ird` AS `select` WHERE `select` . `a``b` = @anneal_0 AND `from` = @anneal_1');
});

test('an UPDATE or DELETE of one table is read as the SELECT that finds its rows', () => {
  expect(read('UPDATE `orders` SET `total` = ? WHERE `customer_id` = ?').explain.text).toBe(
    'SELECT * FROM `orders` WHERE `customer_id` = @anneal_0',
  );
  expect(read('DELETE FROM STATUS WHERE NAME = ?').shape).toMatchObject({
    tables: [{ alias: 'status', table: 'status' }],
    conditions: [{ kind: 'equal', alias: 'status', column: 'name' }],
  });
});

test('a row given is not a row kept where the statement summarises', () => {
  const summarises = (digest: string) => read(digest).shape.summarises;
  expect(summarises('SELECT COUNT ( * ) FROM `orders` WHERE `total` = ?')).toBe(true);
  expect(summarises('SELECT STATUS FROM `orders` GROUP BY STATUS')).toBe(true);
  expect(summarises('SELECT DISTINCTROW `note` FROM `orders`')).toBe(true);
  expect(summarises('SELECT `id` FROM `orders` WHERE `total` = ?')).toBe(false);
});

test('another schema’s table, a union, a text cut off and an INSERT are not read', () => {
  expect(read('SELECT * FROM `other` . `orders` WHERE `id` = ?').shape.tables).toEqual([{ alias: 'orders', table: null }]);
  const unread = ['SELECT ? UNION SELECT ?', 'SELECT * FROM `orders` WHERE `id` = ? AND ...', 'INSERT INTO `orders` VALUES (...)'];
  expect(unread.map((digest) => readDigest(digest, context, 1))).toEqual([null, null, null]);
});

test('where a cut is not marked, a text that fills the room it has counts as cut', () => {
  const digest = `SELECT * FROM \`orders\` WHERE ${Array.from({ length: 60 }, () => '`total` > ?').join(' AND ')}`;
  expect(readDigest(digest, context, 1)).toBeNull();
  expect(readDigest(digest, { ...context, maxDigestBytes: 4096 }, 1)?.shape.conditions).toHaveLength(60);
});
