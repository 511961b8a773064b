import type { HistoryRun } from '../index.ts';

/** One line per run, one indented line per trial. */
export function historyTable(runs: readonly HistoryRun[]): string {
  if (runs.length === 0) return 'no runs yet\n';
  return runs
    .map((run) => {
      const head = `${run.id}  ${run.startedAt.slice(0, 19).replace('T', ' ')}  ${run.command}  ${run.outcome}`;
      const trials = run.trials.map((trial) => `  ${trial.id}  ${trial.state.padEnd(12)} ${trial.title}`);
      return [head, ...trials].join('\n');
    })
    .join('\n')
    .concat('\n');
}
