import type { Finding } from '../../../finding/finding.ts';
import { shorten } from '../../../finding/subject.ts';
import { quantity } from '../../../finding/wording.ts';
import type { Measurement } from '../../../measurement/measurement.ts';
import type { StatementObservation } from '../../../measurement/observations.ts';
import { defineRemedy } from '../../../remedy/remedy.ts';
import { batchedForm } from '../batched-form.ts';
import { examineBatch, loopsOf } from '../batching/examine-batch.ts';
import { clientCpuMsPerCall } from '../client-cost.ts';
import { placeName, routeName } from '../call-sites.ts';
import { carriedOutByAgent } from '../policy-remedy.ts';

/** Types, not interfaces, so that they are Json. */
export type BatchStatementsPlan = {
  readonly statementId: string;
  /** Normalised: no constant of the application is in it. */
  readonly statement: string;
  readonly batchedStatementId: string | null;
  readonly policy: {
    readonly textHash: string;
    readonly parametersAt: readonly { readonly at: number; readonly number: number }[];
    readonly parameterTypes: readonly string[];
    readonly hasOffset: boolean;
    readonly isOrdered: boolean;
    readonly parent: string | null;
    readonly oldestMs: number;
    readonly readOnly: readonly string[];
  };
  readonly proof: { readonly parameterSets: number; readonly rows: number };
  readonly lasting: string;
};

/** A loop over a list takes milliseconds; what an outside writer changes within a tenth of a second, few could have read in time. */
const oldestMs = 100;

export const batchStatements = defineRemedy<BatchStatementsPlan>({
  id: 'api/batch-statements',
  title: 'Ask once for what a request asks row by row',
  addresses: ['api/sequential-n-plus-one', 'api/parallel-n-plus-one'],
  scope: 'process',
  risk: 'medium',
  effort: 'none',
  contract: 'transparent',
  restsOnSchema: true,

  async plan(finding, context) {
    const statement = statementOf(finding, context.measurement);
    const examined = statement === null ? null : await examineBatch(statement, context);
    if (statement === null || examined === null || 'refused' in examined) return null;
    const { batchedStatementId, proof, ...known } = examined;
    return {
      statementId: statement.id,
      statement: statement.text,
      batchedStatementId,
      policy: { ...known, oldestMs },
      proof,
      lasting: lastingForm(statement, context.measurement),
    };
  },

  async explainRefusal(finding, context) {
    const statement = statementOf(finding, context.measurement);
    if (statement === null) return 'the statement was not observed';
    const examined = await examineBatch(statement, context);
    return 'refused' in examined ? examined.refused : null;
  },

  async predict(plan, _finding, { measurement }) {
    const { 'agent.routes': routes = [], 'postgres.statements': statements = [] } = measurement.observations;
    const loops = loopsOf(plan.statementId, measurement);
    const names = new Set(loops.flatMap(({ routes }) => routes));
    const totalMs = routes.filter((route) => names.has(routeName(route))).reduce((sum, route) => sum + route.totalMs, 0);
    const statement = statements.find(({ id }) => id === plan.statementId);
    // The rows are still found: what the server itself takes for a call is not saved.
    const serverMs = statement?.source === 'server' && statement.calls > 0 ? statement.totalMs / statement.calls : 0;
    const saved = loops.reduce((sum, site) => sum + callsSaved(site), 0);
    const savedMs = (ofWaitedCall: (meanMs: number) => number) =>
      loops.reduce((sum, site) => {
        const isWaitedFor = site.overlappingCalls < site.repeatingCalls / 2;
        const perCall = isWaitedFor ? ofWaitedCall(site.totalMs / Math.max(site.calls, 1)) : clientCpuMsPerCall;
        return sum + callsSaved(site) * Math.max(perCall, clientCpuMsPerCall);
      }, 0);
    const share = (ms: number) => (totalMs === 0 ? 0 : Math.min(ms / totalMs, 0.95));
    const point = share(savedMs((meanMs) => meanMs - serverMs));
    return {
      metric: `route.time:${[...names].join(', ')}`,
      // Calls side by side wait for each other in ways nobody models here: a plain result or a wide one.
      change: {
        point: -point,
        lower: -Math.max(share(savedMs((meanMs) => meanMs)), Math.min(point * 2, 0.95)),
        upper: -point / 2,
        confidenceLevel: 0.95,
      },
      model: 'amdahl',
      assumptions: [
        `${quantity(saved)} of the window's calls go: where each was waited for, with all of its time but the server's own; else with ${clientCpuMsPerCall} ms of the process's CPU (own measurement of node-postgres)`,
        'the loops go on as they did: what is fetched ahead is asked for',
      ],
    };
  },

  toggles: policyId,

  ...carriedOutByAgent('api/batch-statements', policyId, policyOf),

  touches(plan, measurement) {
    const loops = loopsOf(plan.statementId, measurement);
    const batch = plan.batchedStatementId === null ? [] : [plan.batchedStatementId];
    return { statementIds: [plan.statementId, ...batch], routes: [...new Set(loops.flatMap(({ routes }) => routes))], writtenTables: [] };
  },

  describe(plan) {
    return {
      title: `One statement for all calls of "${shorten(plan.statement)}" in a request`,
      sql: null,
      lasting: plan.lasting,
      reservations: [
        `Before its trial the batch was held against the calls on a copy: ${plan.proof.parameterSets} parameter sets, ${plan.proof.rows} rows, no difference; in force, one batch of fifty is.`,
        `A row fetched ahead may be read up to ${plan.policy.oldestMs} ms earlier than by the loop. Any statement of the process that may write drops it; writes of other processes are not seen.`,
      ],
    };
  },
});

/** All but one call of each loop, and of those the ones that ask for something new. */
function callsSaved({
  repeatingCalls,
  repeatingRequests,
}: {
  readonly repeatingCalls: number;
  readonly repeatingRequests: number;
}): number {
  return Math.max(repeatingCalls - repeatingRequests, 0);
}

function statementOf({ subject }: Finding, measurement: Measurement): StatementObservation | null {
  if (subject.kind !== 'route') return null;
  return measurement.observations['postgres.statements']?.find(({ id }) => id === subject.statementId) ?? null;
}

/** A JOIN, or one statement for all keys, is cheaper still: the policy shows what it is worth, and works until somebody has written it. */
function lastingForm(statement: StatementObservation, measurement: Measurement): string {
  const places = loopsOf(statement.id, measurement).flatMap(({ locations }) => locations.slice(0, 1).map(placeName));
  const where = places.length === 0 ? 'where it is sent' : `at ${[...new Set(places)].join(' and ')}`;
  const form = batchedForm(statement);
  return `Collect the keys and ask once ${where}, then put the rows into a Map by key.${form === null ? '' : `\n${form}`}`;
}

function policyId(plan: BatchStatementsPlan): string {
  return `api/batch-statements:${plan.statementId}`;
}

function policyOf({ policy }: BatchStatementsPlan) {
  return { kind: 'batch-statements', ...policy } as const;
}
