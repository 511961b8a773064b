import type { SequenceObservation } from '../../../measurement/database-health.ts';
import { own, snapshotProbe } from './database-probe.ts';
import { madeByUsers, notLocked } from './user-relations.ts';

/** Sequences, and the column each feeds: its owner, or else one whose default calls it. */
export const sequences = snapshotProbe('sequences', 'postgres.sequences', async (sql) => {
  const { rows } = await sql.query<Omit<SequenceObservation, 'column'> & { readonly column: SequenceObservation['column'] }>(
    own(`SELECT n.nspname AS schema, c.relname AS name, readable AS "isReadable",
           CASE WHEN readable THEN pg_sequence_last_value(c.oid)::float8 END AS "lastValue",
           s.seqstart::float8 AS start, s.seqmin::float8 AS minimum, s.seqmax::float8 AS maximum, s.seqincrement::float8 AS increment,
           s.seqcycle AS cycles, format_type(s.seqtypid, NULL) AS type,
           (SELECT jsonb_build_object('schema', tn.nspname, 'table', t.relname, 'name', a.attname, 'type', format_type(a.atttypid, NULL))
              FROM (SELECT d.refobjid AS relation, d.refobjsubid AS number, 1 AS place FROM pg_depend d
                     WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.refclassid = 'pg_class'::regclass AND d.refobjsubid > 0 AND d.deptype IN ('a', 'i')
                    UNION ALL
                    SELECT f.adrelid, f.adnum, 2 FROM pg_depend d JOIN pg_attrdef f ON f.oid = d.objid
                     WHERE d.classid = 'pg_attrdef'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = c.oid) fed
              JOIN pg_attribute a ON a.attrelid = fed.relation AND a.attnum = fed.number
              JOIN pg_class t ON t.oid = fed.relation
              JOIN pg_namespace tn ON tn.oid = t.relnamespace
             ORDER BY place, relation LIMIT 1) AS "column"
      FROM pg_sequence s
      JOIN pg_class c ON c.oid = s.seqrelid
      JOIN pg_namespace n ON n.oid = c.relnamespace
     CROSS JOIN LATERAL (SELECT has_sequence_privilege(c.oid, 'USAGE, SELECT') AND (c.relpersistence = 'p' OR NOT pg_is_in_recovery()) AS readable) r
     WHERE ${madeByUsers} AND ${notLocked}
     ORDER BY n.nspname, c.relname`),
  );
  return rows;
});
