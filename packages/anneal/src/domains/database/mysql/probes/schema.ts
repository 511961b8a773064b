import type {
  MysqlColumnObservation,
  MysqlForeignKeyObservation,
  MysqlIndexObservation,
  MysqlTableObservation,
} from '../../../../measurement/mysql-observations.ts';
import type { Mysql } from '../../../../ports/mysql.ts';
import { isDenied, type MysqlProbe } from './mysql-probe.ts';

/** Tables, columns, indexes and references of the database the URL names. The catalogue shows a role only what it may use. */
export const schema: MysqlProbe = {
  id: 'mysql schema',
  provides: ['mysql.tables', 'mysql.columns', 'mysql.indexes', 'mysql.foreign-keys'],
  async read(mysql) {
    const tables = await readTables(mysql);
    const names = new Set(tables.map(({ name }) => name));
    return {
      observations: {
        'mysql.tables': tables,
        // Those of views too are in the catalogue; joining it with itself would take minutes for a few thousand tables.
        'mysql.columns': (await readColumns(mysql)).filter(({ table }) => names.has(table)),
        'mysql.indexes': await readIndexes(mysql),
        'mysql.foreign-keys': await readForeignKeys(mysql),
      },
      gaps: [],
    };
  },
};

function readTables(mysql: Mysql): Promise<readonly MysqlTableObservation[]> {
  return mysql.query(
    `SELECT TABLE_NAME AS name, COALESCE(ENGINE, '') AS engine, COALESCE(TABLE_ROWS, 0) AS \`rows\`,
            COALESCE(DATA_LENGTH, 0) AS dataBytes, COALESCE(INDEX_LENGTH, 0) AS indexBytes
       FROM information_schema.TABLES WHERE TABLE_SCHEMA = ? AND TABLE_TYPE = 'BASE TABLE' ORDER BY TABLE_NAME`,
    [mysql.database],
  );
}

async function readColumns(mysql: Mysql): Promise<readonly MysqlColumnObservation[]> {
  const rows = await mysql.query<Omit<MysqlColumnObservation, 'nullable'> & { readonly nullable: number }>(
    `SELECT TABLE_NAME AS \`table\`, COLUMN_NAME AS name, LOWER(DATA_TYPE) AS type, IS_NULLABLE = 'YES' AS nullable,
            CHARACTER_OCTET_LENGTH AS mostBytes
       FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = ? ORDER BY TABLE_NAME, ORDINAL_POSITION`,
    [mysql.database],
  );
  return rows.map((row) => ({ ...row, nullable: row.nullable === 1 }));
}

interface KeyRow {
  readonly table: string;
  readonly name: string;
  readonly kind: string;
  readonly isUnique: number;
  readonly isIgnored: number;
  readonly column: string | null;
  readonly prefixLength: number | null;
  readonly direction: string | null;
}

async function readIndexes(mysql: Mysql): Promise<readonly MysqlIndexObservation[]> {
  const ignored = mysql.product === 'MariaDB' ? `IGNORED = 'YES'` : `IS_VISIBLE = 'NO'`;
  const rows = await mysql.query<KeyRow>(
    `SELECT TABLE_NAME AS \`table\`, INDEX_NAME AS name, INDEX_TYPE AS kind, NON_UNIQUE = 0 AS isUnique, ${ignored} AS isIgnored,
            COLUMN_NAME AS \`column\`, SUB_PART AS prefixLength, COLLATION AS direction
       FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = ? ORDER BY TABLE_NAME, INDEX_NAME, SEQ_IN_INDEX`,
    [mysql.database],
  );
  const sizes = await readSizes(mysql);
  return [...Map.groupBy(rows, ({ table, name }) => JSON.stringify([table, name])).entries()].map(([key, keys]) => {
    const { table, name, kind, isUnique, isIgnored } = keys[0]!;
    return {
      table,
      name,
      kind,
      keys: keys.map(({ column, prefixLength, direction }) => ({ column, prefixLength, descending: direction === 'D' })),
      isUnique: isUnique === 1,
      isPrimary: name === 'PRIMARY',
      isIgnored: isIgnored === 1,
      sizeBytes: sizes.get(key) ?? null,
    };
  });
}

/** InnoDB's persistent statistics; they stand in the schema `mysql`, which few roles may read. */
async function readSizes(mysql: Mysql): Promise<ReadonlyMap<string, number>> {
  try {
    const rows = await mysql.query<{ table: string; name: string; bytes: number }>(
      `SELECT table_name AS \`table\`, index_name AS name, stat_value * @@global.innodb_page_size AS bytes
         FROM mysql.innodb_index_stats WHERE database_name = ? AND stat_name = 'size'`,
      [mysql.database],
    );
    return new Map(rows.map(({ table, name, bytes }) => [JSON.stringify([table, name]), bytes]));
  } catch (error) {
    if (isDenied(error)) return new Map();
    throw error;
  }
}

async function readForeignKeys(mysql: Mysql): Promise<readonly MysqlForeignKeyObservation[]> {
  const rows = await mysql.query<{ name: string; table: string; column: string; referencedTable: string; referencedColumn: string }>(
    `SELECT CONSTRAINT_NAME AS name, TABLE_NAME AS \`table\`, COLUMN_NAME AS \`column\`,
            REFERENCED_TABLE_NAME AS referencedTable, REFERENCED_COLUMN_NAME AS referencedColumn
       FROM information_schema.KEY_COLUMN_USAGE
      WHERE TABLE_SCHEMA = ? AND REFERENCED_TABLE_SCHEMA = TABLE_SCHEMA ORDER BY TABLE_NAME, CONSTRAINT_NAME, ORDINAL_POSITION`,
    [mysql.database],
  );
  return [...Map.groupBy(rows, ({ table, name }) => JSON.stringify([table, name])).values()].map((keys) => ({
    name: keys[0]!.name,
    table: keys[0]!.table,
    columns: keys.map(({ column }) => column),
    referencedTable: keys[0]!.referencedTable,
    referencedColumns: keys.map(({ referencedColumn }) => referencedColumn),
  }));
}
