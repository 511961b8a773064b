import type { DatabaseSnapshot } from '../../../ports/database-snapshot.ts';
import type { Sql } from '../../../ports/sql.ts';
import { own } from '../probes/database-probe.ts';

export interface ServerFacts {
  readonly version: string;
  readonly versionNumber: number;
  readonly blockBytes: number;
  readonly collation: string;
  readonly settings: Readonly<Record<string, string>>;
  readonly extensions: DatabaseSnapshot['extensions'];
  readonly countedSince: string;
  readonly gaps: readonly string[];
}

/**
 * All settings of the planner and those of memory it reckons with (manual, 19.7 and 19.4.1). A chosen list and not all:
 * others hold paths, commands and connection strings with passwords.
 */
export async function readServer(sql: Sql): Promise<ServerFacts> {
  const settings = await sql.query<{ name: string; value: string }>(
    own(`SELECT name, current_setting(name) AS value FROM pg_settings
          WHERE category LIKE 'Query Tuning%' OR name = ANY($1) ORDER BY name`),
    [['work_mem', 'hash_mem_multiplier', 'maintenance_work_mem', 'shared_buffers', 'max_parallel_workers', 'block_size', 'autovacuum']],
  );
  // The locale's columns have moved from version to version, so they are looked up by name.
  const database = await sql.query<{
    version: string;
    versionNumber: number;
    provider: string;
    collation: string;
    encoding: string;
    countedSince: string;
  }>(
    own(`SELECT current_setting('server_version') AS version, current_setting('server_version_num')::int AS "versionNumber",
                coalesce(to_jsonb(d) ->> 'datlocprovider', 'c') AS provider,
                coalesce(to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> 'daticulocale', d.datcollate) AS collation,
                pg_encoding_to_char(d.encoding) AS encoding,
                -- Never reset they may be older than the server's start, and are at least as old.
                to_char(coalesce(pg_stat_get_db_stat_reset_time(d.oid), pg_postmaster_start_time()) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS "countedSince"
           FROM pg_database d WHERE d.datname = current_database()`),
  );
  const extensions = await sql.query<DatabaseSnapshot['extensions'][number]>(
    own(`SELECT e.extname AS name, e.extversion AS version, n.nspname AS schema
           FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
          WHERE e.extname <> 'plpgsql' ORDER BY e.oid`),
  );
  const facts = database.rows[0]!;
  const all = Object.fromEntries(settings.rows.map(({ name, value }) => [name, value]));
  const blockBytes = Number(all['block_size'] ?? 8192);
  return {
    version: facts.version,
    versionNumber: facts.versionNumber,
    blockBytes,
    collation: facts.collation,
    settings: all,
    extensions: extensions.rows,
    countedSince: facts.countedSince,
    gaps:
      blockBytes === 8192
        ? []
        : [`the server's pages have ${blockBytes} bytes; sizes are given in pages of that size and planned as pages of 8192`],
  };
}
