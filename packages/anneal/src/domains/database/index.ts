import type { Domain } from '../domain.ts';
import { plans } from './derivations/plans.ts';
import { statements } from './derivations/statements.ts';
import { columns } from './probes/columns.ts';
import { foreignKeys } from './probes/foreign-keys.ts';
import { indexes } from './probes/indexes.ts';
import { processes } from './probes/processes.ts';
import { serverStatements } from './probes/server-statements.ts';
import { settings } from './probes/settings.ts';
import { tables } from './probes/tables.ts';
import { waits } from './probes/waits.ts';
import { databaseRemedies } from './remedies/index.ts';

export const database: Domain = {
  id: 'database',
  title: 'Database',
  requires: ['postgres.statements', 'postgres.tables'],
  probes: [serverStatements, tables, indexes, columns, foreignKeys, settings, waits, processes],
  derivations: [statements, plans],
  rules: [],
  remedies: databaseRemedies,
};
