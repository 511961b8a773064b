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
import { proveRewrites } from './rewrites/prove-rewrites.ts';
import { deepOffset } from './rules/deep-offset.ts';
import { missingExpressionIndex } from './rules/missing-expression-index.ts';
import { missingForeignKeyIndex } from './rules/missing-foreign-key-index.ts';
import { missingIndex } from './rules/missing-index.ts';
import { missingSortIndex } from './rules/missing-sort-index.ts';
import { rewriteRules } from './rules/rewrite-rules.ts';
import { unindexedJsonContainment } from './rules/unindexed-json-containment.ts';
import { unindexedTextSearch } from './rules/unindexed-text-search.ts';
import { wideRows } from './rules/wide-rows.ts';
import { filteredColumns } from './derivations/filtered-columns.ts';
import { checksOfWorkload, databaseHealth, probesOfWorkload } from './health.ts';
import { databaseRemedies } from './remedies/index.ts';

export const database: Domain = {
  id: 'database',
  title: 'Database',
  requires: ['postgres.statements', 'postgres.tables'],
  probes: [serverStatements, tables, indexes, columns, foreignKeys, settings, waits, processes, ...probesOfWorkload],
  derivations: [statements, plans, filteredColumns],
  rules: [
    missingForeignKeyIndex,
    missingIndex,
    missingSortIndex,
    missingExpressionIndex,
    unindexedJsonContainment,
    unindexedTextSearch,
    deepOffset,
    wideRows,
    ...rewriteRules,
    ...checksOfWorkload,
  ],
  remedies: databaseRemedies,
  proveProposals: (findings, context) => proveRewrites(findings, rewriteRules, context),
  health: databaseHealth,
};
