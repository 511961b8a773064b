import { defineRule, type Evidence } from '../../../finding/finding.ts';
import { shareOf } from '../../../finding/request-time.ts';
import { percent } from '../../../finding/wording.ts';
import { clientCpuMsPerCall } from '../client-cost.ts';
import { diagnoseRepetition } from '../repetition.ts';

export const parallelNPlusOne = defineRule({
  id: 'api/parallel-n-plus-one',
  title: 'One query per row, all at once',
  documentation: {
    what: 'A request starts the same statement three times or more at the same time, each with other parameters (Promise.all over rows).',
    why: 'The request waits less than in a loop, but the database and the process do all the work, and one request can take every connection of the pool.',
    threshold:
      'Three calls of one statement from one line in one request, at least half of which overlap. Each costs the process about 0.038 ms of CPU (measured with node-postgres: 50 look-ups 2.25 ms, one statement for the same keys 0.34 ms), beside the database time; together they must certainly take the share asked for (1 % by default).',
    fix: 'One statement for all keys (`= ANY($1)`) in place of Promise.all over rows.',
    falsePositives: 'It is not a defect where each call runs in the schema of another tenant, or where the list is bounded to two.',
    sources: ['Own measurement of node-postgres, as stated'],
  },
  requires: ['agent.routes', 'agent.runtime', 'postgres.statements'],
  diagnose({ 'agent.routes': routes, 'agent.runtime': runtime, 'postgres.statements': statements }, settings) {
    const databaseMs = statements.reduce((sum, statement) => sum + statement.totalMs, 0);
    return diagnoseRepetition('parallel', { routes, statements }, settings, ({ site, statement, callsPerRequest, meanMs }) => {
      // Overlapping calls do not add up in the request, so what counts is what they spend: database time and CPU.
      const databaseShare = shareOf(
        site.repeatingCalls * (statement === null ? meanMs : statement.totalMs / Math.max(statement.calls, 1)),
        databaseMs,
      );
      const cpuShare = shareOf(site.repeatingCalls * clientCpuMsPerCall, runtime.cpuMs);
      const [resource, spent] = cpuShare > databaseShare ? (['cpu-time', cpuShare] as const) : (['database-time', databaseShare] as const);
      const avoidable = (callsPerRequest - 1) / callsPerRequest;
      const evidence: readonly Evidence[] = [
        {
          label: 'share of database time',
          value: databaseShare,
          unit: '1',
          provenance: 'measured',
          source: statement?.source === 'server' ? 'pg_stat_statements' : 'agent',
        },
        {
          label: "share of the process's CPU",
          value: cpuShare,
          unit: '1',
          provenance: 'assumed',
          source: `${clientCpuMsPerCall} ms of CPU per query`,
        },
      ];
      return {
        resource,
        share: spent,
        evidence,
        // The one statement may need nothing of the rest or, on the server, all of it: the rows are read either way.
        expected: {
          point: -spent * avoidable,
          lower: -spent * avoidable,
          upper: resource === 'cpu-time' ? (-spent * avoidable) / 2 : 0,
          confidenceLevel: 0.95,
        },
        consequence: `${percent(databaseShare)} of database time and ${percent(cpuShare)} of CPU stay, and one request occupies up to ${Math.round(site.maxCallsPerRequest)} connections at once.`,
      };
    });
  },
});
