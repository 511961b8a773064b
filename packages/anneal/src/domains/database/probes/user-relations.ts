/** Conditions on `pg_class c` and `pg_namespace n`, shared by the probes that list what a user made. */

/** What an extension brought is its own business: nobody can or should change it. */
export const madeByUsers = `n.nspname !~ '^pg_(catalog|toast|temp)' AND n.nspname <> 'information_schema'
  AND NOT EXISTS (SELECT FROM pg_depend x WHERE x.classid = 'pg_class'::regclass AND x.objid = c.oid AND x.deptype = 'e')`;

/**
 * Reading a relation's size or an expression takes an ACCESS SHARE lock, which waits behind whoever holds or awaits
 * ACCESS EXCLUSIVE (manual, 13.3.1). A health check that queues up behind the trouble it is to report sees nothing, so
 * such relations are left out.
 */
export const notLocked = `c.oid NOT IN (SELECT l.relation FROM pg_locks l
  WHERE l.locktype = 'relation' AND l.mode = 'AccessExclusiveLock' AND l.relation IS NOT NULL
    AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database()))`;
