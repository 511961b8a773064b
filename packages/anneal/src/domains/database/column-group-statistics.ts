import { qualifiedName, quoteIdentifier } from '../../ports/index-sql.ts';

/** Extended statistics on columns that vary together: the finding proposes and the remedy makes the same. */
export type ColumnGroupStatistics = {
  readonly schema: string;
  readonly table: string;
  readonly columns: readonly string[];
  readonly name: string;
  /** Whether a list of the commonest combinations is kept too. */
  readonly mcv: boolean;
};

export function createStatisticsSql({ schema, table, columns, name, mcv }: ColumnGroupStatistics): string {
  const kinds = ['ndistinct', 'dependencies', ...(mcv ? ['mcv'] : [])].join(', ');
  return `CREATE STATISTICS ${qualifiedName(schema, name)} (${kinds}) ON ${columns.map(quoteIdentifier).join(', ')} FROM ${qualifiedName(schema, table)}`;
}

export interface ListedColumn {
  /** PostgreSQL's n_distinct: positive a count, negative minus the share of rows, 0 unknown. */
  readonly distinct: number;
  /** How many values its statistics may list (manual, 14.2.1). */
  readonly statisticsTarget: number;
}

/** A column's statistics target in a query where `a` is its pg_attribute: up to version 16 -1 stands for the default, NULL from 17 on. */
export const statisticsTargetSql = `coalesce(nullif(a.attstattarget::int, -1), current_setting('default_statistics_target')::int)`;

/**
 * Whether a list of the commonest combinations serves all of them. It holds as many as the largest statistics target of its columns
 * allows (statext_compute_stattarget). Where it exists PostgreSQL asks it alone and takes the combinations it lacks for
 * independent; where a column has more values than fit, the dependencies serve all of them instead.
 */
export function mayListCombinations(columns: readonly ListedColumn[], rows: number): boolean {
  const target = Math.max(...columns.map(({ statisticsTarget }) => statisticsTarget));
  return columns.every(({ distinct }) => (distinct < 0 ? -distinct * rows : distinct) <= target);
}
