import type { IndexHealthObservation } from '../../../measurement/database-health.ts';
import { own, snapshotProbe } from './database-probe.ts';
import { btreePages, paddingSql } from './page-demand.ts';
import { madeByUsers, notLocked } from './user-relations.ts';

interface Row extends Omit<IndexHealthObservation, 'neededPages'> {
  readonly rows: number;
  readonly widthBytes: number | null;
  readonly paddingBytes: number;
  readonly fillShare: number;
  readonly blockBytes: number;
}

/**
 * Every index of users with what backs on it. The key's behaviour is its operator class, collation and direction, by
 * object id: two that are equal serve the same conditions and orders. A build whose index this role may not see could
 * be that of any invalid index. `indnullsnotdistinct` came with version 15, so it is read through JSON.
 */
export const indexHealth = snapshotProbe('index health', 'postgres.index-health', async (sql) => {
  const { rows } = await sql.query<Row>(
    own(`WITH widths AS MATERIALIZED (
             SELECT s.schemaname, s.tablename, s.attname, s.avg_width, s.null_frac FROM pg_stats s WHERE NOT s.inherited),
           parts AS (
             SELECT i.indexrelid,
                    coalesce(jsonb_agg(jsonb_build_object('column', a.attname, 'expression', pg_get_indexdef(i.indexrelid, k.place, true),
                        'behaviour', i.indclass[k.place - 1] || '/' || i.indcollation[k.place - 1] || '/' || i.indoption[k.place - 1]) ORDER BY k.place)
                      FILTER (WHERE k.place <= i.indnkeyatts), '[]') AS keys,
                    coalesce(array_agg(a.attname::text ORDER BY k.place) FILTER (WHERE k.place > i.indnkeyatts), '{}') AS include,
                    CASE WHEN count(*) = count(w.attname) THEN sum((1 - w.null_frac) * w.avg_width)::float8 END AS width,
                    coalesce(sum(${paddingSql('own', 'w.avg_width')}), 0)::float8 AS padding
               FROM pg_index i
               JOIN pg_class c ON c.oid = i.indrelid
               JOIN pg_class x ON x.oid = i.indexrelid
               JOIN pg_namespace n ON n.oid = c.relnamespace
              CROSS JOIN LATERAL generate_series(1, i.indnatts::int) k(place)
               JOIN pg_attribute own ON own.attrelid = i.indexrelid AND own.attnum = k.place
               LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[k.place - 1] AND a.attnum > 0
               LEFT JOIN widths w ON w.schemaname = n.nspname
                     AND w.tablename = CASE WHEN a.attname IS NULL THEN x.relname ELSE c.relname END
                     AND w.attname = coalesce(a.attname, own.attname)
              WHERE ${madeByUsers} AND ${notLocked}
              GROUP BY i.indexrelid)
         SELECT n.nspname AS schema, x.relname AS name, c.relname AS "table", m.amname AS method,
           pg_get_indexdef(i.indexrelid) AS definition, p.keys, p.include, pg_get_expr(i.indpred, i.indrelid, true) AS predicate,
           i.indisunique AS "isUnique", coalesce((to_jsonb(i)->>'indnullsnotdistinct')::boolean, false) AS "nullsNotDistinct",
           i.indisprimary AS "isPrimary", i.indisreplident AS "isReplicaIdentity", i.indisclustered AS "isClustered",
           i.indisvalid AND i.indisready AS "isValid",
           NOT (i.indisvalid AND i.indisready) AND EXISTS (SELECT FROM pg_stat_progress_create_index g WHERE g.datname = current_database()
             AND (g.index_relid = i.indexrelid OR g.relid = i.indrelid OR g.relid IS NULL)) AS "mayBeInBuild",
           (SELECT CASE k.contype WHEN 'p' THEN 'primary' WHEN 'u' THEN 'unique' ELSE 'exclusion' END FROM pg_constraint k
             WHERE k.conrelid = i.indrelid AND k.conindid = i.indexrelid AND k.contype IN ('p', 'u', 'x') LIMIT 1) AS constraint,
           x.relispartition AS "isPart", x.relkind = 'I' AS "isPartitioned", x.relpages AS pages,
           coalesce(pg_relation_size(i.indexrelid), 0)::float8 AS "sizeBytes", coalesce(pg_stat_get_numscans(i.indexrelid), 0)::float8 AS scans,
           greatest(x.reltuples, 0)::float8 AS rows, p.width AS "widthBytes", p.padding AS "paddingBytes", current_setting('block_size')::int AS "blockBytes",
           coalesce((SELECT substr(o, 12)::float8 / 100 FROM unnest(x.reloptions) o WHERE o LIKE 'fillfactor=%'), 0.9)::float8 AS "fillShare"
      FROM pg_index i
      JOIN parts p ON p.indexrelid = i.indexrelid
      JOIN pg_class x ON x.oid = i.indexrelid
      JOIN pg_class c ON c.oid = i.indrelid
      JOIN pg_namespace n ON n.oid = c.relnamespace
      JOIN pg_am m ON m.oid = x.relam
     ORDER BY n.nspname, c.relname, x.relname`),
  );
  return rows.map(observe);
});

function observe({ rows, widthBytes, paddingBytes, fillShare, blockBytes, ...index }: Row): IndexHealthObservation {
  const isKnown = index.method === 'btree' && widthBytes !== null && !index.isPartitioned;
  return { ...index, neededPages: isKnown ? btreePages({ rows, widthBytes, paddingBytes, fillShare, blockBytes }) : null };
}
