import { indexSql, qualifiedName } from '../../../ports/index-sql.ts';
import { defineRemedy, type Description, type Remedy } from '../../../remedy/remedy.ts';
import { indexName } from '../index-ddl.ts';
import type { AddIndexPlan } from './add-index-plan.ts';
import { chooseIndex } from './choose-index.ts';
import { forecastIndex, servedStatements } from './forecast-index.ts';
import {
  type BuildSettings,
  buildIndex,
  builtInMs,
  connectionOf,
  findOwn,
  inspectIndex,
  needsStatistics,
  removeIndex,
  tableOf,
} from './index-build.ts';
import { touchedStatements } from './touched-statements.ts';

/** A request seldom keeps a transaction open for a minute; what does is forgotten, and is named in the error. */
export const addIndex: Remedy = createAddIndex({ lockTimeoutMs: 60_000 });

/** The remedy with other limits. */
export function createAddIndex(settings: BuildSettings): Remedy {
  return defineRemedy<AddIndexPlan>({
    id: 'database/add-index',
    title: 'Add an index',
    addresses: [
      'database/missing-foreign-key-index',
      'database/missing-index',
      'database/missing-sort-index',
      'database/missing-expression-index',
      'database/unindexed-json-containment',
      'database/unindexed-text-search',
    ],
    scope: 'database',
    risk: 'low',
    effort: 'none',
    contract: 'transparent',
    async plan(finding, context) {
      const choice = await chooseIndex(finding, context);
      if ('refused' in choice || finding.subject.kind !== 'statement') return null;
      const { definition, extension } = choice.chosen;
      const served = await servedStatements(definition, context);
      return {
        index: { ...definition },
        name: indexName(definition),
        statementIds: [...new Set([finding.subject.statementId, ...served.map(({ id }) => id)])].sort(),
        extension,
        extensionWasPresent: choice.extensionWasPresent,
      };
    },
    async explainRefusal(finding, context) {
      const choice = await chooseIndex(finding, context);
      return 'refused' in choice ? choice.refused : null;
    },
    predict: (plan, _finding, context) => forecastIndex(plan, context),
    inspect: (plan, context) => inspectIndex(plan, connectionOf(context)),
    apply: (plan, context) => buildIndex(plan, context, settings),
    revert: (plan, context) => removeIndex(plan, context, settings),
    async cost(plan, context) {
      const index = await findOwn(plan, connectionOf(context));
      return { diskBytes: index?.sizeBytes ?? 0, buildMs: builtInMs(index?.comment ?? null) ?? 0, memoryBytes: 0, connections: 0 };
    },
    touches(plan, measurement) {
      const { readers, writers } = touchedStatements(plan.index, measurement);
      const touched = [...new Set([...readers.filter(({ id }) => plan.statementIds.includes(id)), ...writers])];
      return {
        statementIds: [...new Set([...plan.statementIds, ...touched.map(({ id }) => id)])],
        routes: [...new Set(touched.flatMap(({ routes }) => routes))],
        writtenTables: [`${plan.index.schema}.${plan.index.table}`],
      };
    },
    describe,
  });
}

function describe(plan: AddIndexPlan): Description {
  const { index, name, extension, extensionWasPresent } = plan;
  const bringsExtension = extension !== null && !extensionWasPresent;
  const up = [
    ...(bringsExtension ? [`CREATE EXTENSION IF NOT EXISTS ${extension};`] : []),
    `${indexSql(index, { name, concurrently: true })};`,
    ...(needsStatistics(plan) ? [`-- The planner has no statistics of an expression before this.\nANALYZE ${tableOf(plan)};`] : []),
  ];
  const down = [
    `DROP INDEX CONCURRENTLY IF EXISTS ${qualifiedName(index.schema, name)};`,
    ...(bringsExtension ? [`-- Fails, and should, where something else has come to need it.\nDROP EXTENSION IF EXISTS ${extension};`] : []),
  ];
  return {
    title: `Index ${index.table} (${index.keys.join(', ')})${index.predicate === null ? '' : ` where ${index.predicate}`}`,
    sql: { up: up.join('\n'), down: down.join('\n') },
    lasting: null,
  };
}
