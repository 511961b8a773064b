import type { Outside } from '../ports/outside.ts';
import { createAgents, createAttendance } from './agent-listener.ts';
import { createBuiltPlanner } from './built-planner.ts';
import { createChangeStreams } from './change-stream.ts';
import { createWorkspaces } from './git-workspaces.ts';
import { createMysqlDatabases } from './mysql.ts';
import { nodeClock } from './node-clock.ts';
import { createFiles } from './node-files.ts';
import { createProcesses } from './node-processes.ts';
import { createTraces } from './otlp-receiver.ts';
import { createDatabases } from './pg.ts';
import { createShadowPlanner } from './shadow-planner.ts';
import { createSqlParser } from './sql-parser.ts';

/** The composition: the one place where every port gets its adapter. */
export async function createOutside(): Promise<Outside> {
  return {
    databases: createDatabases(),
    mysqlDatabases: createMysqlDatabases(),
    files: createFiles(),
    processes: createProcesses(),
    workspaces: createWorkspaces(),
    agents: createAgents(),
    attendance: createAttendance(),
    traces: createTraces(),
    changes: createChangeStreams(),
    clock: nodeClock,
    sqlParser: await createSqlParser(),
    planOn: createBuiltPlanner,
    shadowOf: createShadowPlanner,
  };
}
