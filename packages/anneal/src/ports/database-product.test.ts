import { expect, test } from 'vitest';
import { isMysqlUrl, otherProduct } from './database-product.ts';

test('the product is known by the scheme, whatever its case', () => {
  expect(
    ['MySQL://u@h/d', 'mariadb://h/d', 'mongodb+srv://h/d', 'mssql://h', 'sqlserver://h;database=d', 'file:./dev.db'].map(otherProduct),
  ).toEqual(['MySQL', 'MariaDB', 'MongoDB', 'SQL Server', 'SQL Server', 'SQLite']);
  expect(['postgres://h/d', 'postgresql://h/d', '/run/postgresql shop', 'socket:/run?db=shop', 'nonsense'].map(otherProduct)).toEqual([
    null,
    null,
    null,
    null,
    null,
  ]);
  expect(['mysql://h/d', 'mariadb://h/d', 'postgres://mysql@h/mysql'].map(isMysqlUrl)).toEqual([true, true, false]);
});
