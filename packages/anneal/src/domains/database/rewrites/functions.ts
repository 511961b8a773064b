import type { Expression, Query } from '../../../ports/sql-tree.ts';
import { innerQueries, ownExpressions, parts } from './build.ts';

/** PostgreSQL's built-in aggregates (manual, 9.21). */
const aggregates: ReadonlySet<string> = new Set(
  `count sum avg min max every any_value bool_and bool_or bit_and bit_or bit_xor array_agg string_agg json_agg jsonb_agg json_object_agg
  jsonb_object_agg xmlagg range_agg range_intersect_agg stddev stddev_pop stddev_samp variance var_pop var_samp corr covar_pop covar_samp
  regr_avgx regr_avgy regr_count regr_intercept regr_r2 regr_slope regr_sxx regr_sxy regr_syy mode percentile_cont percentile_disc`.split(
    /\s+/u,
  ),
);

/**
 * Built-in functions that give the same answer however often one statement calls them (immutable or stable in
 * pg_proc). Of any other function nothing is known here, so a statement that calls one is not rewritten.
 */
const steady: ReadonlySet<string> = new Set(
  `abs ceil ceiling floor round trunc mod sign power sqrt exp ln log greatest least lower upper initcap length char_length
  octet_length trim btrim ltrim rtrim left right lpad rpad replace translate substr substring position strpos split_part concat
  concat_ws reverse repeat md5 sha256 encode decode ascii chr format starts_with regexp_replace regexp_match regexp_like
  like_escape to_char to_date to_timestamp to_number now date date_part date_trunc date_bin extract age make_date make_timestamp
  make_timestamptz make_interval timezone isfinite array_length array_position cardinality array_to_string string_to_array
  jsonb_array_length json_array_length jsonb_typeof json_typeof jsonb_extract_path jsonb_extract_path_text json_extract_path
  json_extract_path_text jsonb_build_object json_build_object jsonb_build_array json_build_array to_json to_jsonb jsonb_exists
  to_tsvector to_tsquery plainto_tsquery phraseto_tsquery websearch_to_tsquery ts_rank ts_rank_cd setweight
  coalesce nullif int4 int8 text numeric lower_inc upper_inc isempty num_nulls num_nonnulls hashtext`.split(/\s+/u),
);

export function isAggregate(expression: Expression): boolean {
  return expression.kind === 'function' && (expression.star || aggregates.has(expression.name));
}

export function aggregatesIn(expressions: readonly Expression[]): boolean {
  return expressions.flatMap(parts).some(isAggregate);
}

/**
 * Why parts of the query may not be evaluated more or less often than they are, or null when they may: a function that
 * may answer differently each time, or a subquery that picks any rows it likes.
 */
export function unsteadiness(query: Query): string | null {
  for (const expression of ownExpressions(query).flatMap(parts)) {
    if (expression.kind !== 'function' || isAggregate(expression)) continue;
    const isBuiltIn = expression.schema === null || expression.schema === 'pg_catalog';
    if (!isBuiltIn || !steady.has(expression.name))
      return `it calls ${expression.name}(), which may answer differently each time it is called`;
  }
  for (const inner of innerQueries(query)) {
    if (inner.limit !== null || inner.offset !== null) return 'a subquery takes only some of its rows';
    const reason = unsteadiness(inner);
    if (reason !== null) return reason;
  }
  return null;
}
