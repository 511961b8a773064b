import type { Agents, Attendance } from './agent.ts';
import type { ChangeStreams } from './change-stream.ts';
import type { Clock } from './clock.ts';
import type { Files } from './files.ts';
import type { MysqlDatabases } from './mysql.ts';
import type { Processes } from './processes.ts';
import type { DatabaseSnapshot } from './database-snapshot.ts';
import type { IndexDefinition, IndexSize, Planner, ShadowPlanner } from './planner.ts';
import type { Databases, Sql } from './sql.ts';
import type { SqlParser } from './sql-parser.ts';
import type { Traces } from './traces.ts';
import type { Workspaces } from './workspaces.ts';

/** Everything Anneal touches beyond its own memory. Tests replace a part of it to make that part fail. */
export interface Outside {
  readonly databases: Databases;
  readonly mysqlDatabases: MysqlDatabases;
  readonly files: Files;
  readonly processes: Processes;
  readonly workspaces: Workspaces;
  readonly agents: Agents;
  readonly attendance: Attendance;
  readonly traces: Traces;
  readonly changes: ChangeStreams;
  readonly clock: Clock;
  readonly sqlParser: SqlParser;
  /** A planner that may do to this database, a scratch copy, whatever it needs. Closing it leaves the connection open. */
  planOn(scratch: Sql): Planner;
  /** A planner of the database a snapshot was taken of; `sizeOf` says how large an index would be. */
  shadowOf(
    snapshot: DatabaseSnapshot,
    options: { readonly sizeOf: (definition: IndexDefinition) => IndexSize | null },
  ): Promise<ShadowPlanner>;
}
