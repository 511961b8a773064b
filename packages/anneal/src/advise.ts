import { adviseIndexes } from './domains/database/advisor/advise-indexes.ts';
import type { Advice, AdviceOptions } from './domains/database/advisor/advisor.ts';
import type { Rejection } from './domains/database/advisor/why-not.ts';
import { indexSizes } from './domains/database/index-size.ts';
import { usedPart } from './domains/database/snapshot/used-part.ts';
import { AnnealError } from './errors.ts';
import type { DatabaseSnapshot } from './ports/database-snapshot.ts';
import type { RunOptions } from './run.ts';

export type { Advice, AdviceOptions, Rejection };

export interface AdviseOptions extends AdviceOptions {
  /** Indexes to explain, `table(a, b)` or `(a, b)`. */
  readonly whyNot?: readonly string[];
  /** The best answer found by then stands; 60 unless given. */
  readonly seconds?: number;
}

/** The advice, and why the indexes asked about are not in it. */
export interface AdviceReport extends Advice {
  readonly rejections: readonly Rejection[];
}

const defaultSeconds = 60;
/** The rest is for the same question under other settings, which needs first answers only. */
const searchShare = 0.75;

/**
 * Advises indexes from a snapshot alone: a shadow of the database in this process answers what its planner would do, so no
 * connection is needed and nothing is changed. Throws ANNEAL_SNAPSHOT_EMPTY where the snapshot holds no statement to advise on, and
 * ANNEAL_USAGE for an index that no table of it could have.
 */
export async function adviseFromSnapshot(
  given: DatabaseSnapshot,
  { outside, progress, signal, whyNot = [], seconds = defaultSeconds, ...options }: AdviseOptions & RunOptions,
): Promise<AdviceReport> {
  // Files of earlier versions have the texts as the server told them.
  const statements = given.statements.map((statement) => ({ ...statement, text: outside.sqlParser.preparable(statement.text) }));
  const snapshot = { ...given, statements };
  if (snapshot.statements.length === 0) {
    throw new AnnealError('ANNEAL_SNAPSHOT_EMPTY', {
      problem: snapshot.gaps.find((gap) => gap.startsWith('no workload')) ?? 'no workload',
    });
  }
  progress.stage('Building the shadow of the database');
  const part = usedPart(
    snapshot,
    snapshot.statements.map(({ text }) => text),
  );
  await using planner = await outside.shadowOf(part, { sizeOf: indexSizes(part) });
  signal.throwIfAborted();
  progress.stage('Looking for indexes');
  const session = await adviseIndexes({
    snapshot: part,
    planner,
    parser: outside.sqlParser,
    options,
    signal: AbortSignal.any([signal, AbortSignal.timeout(seconds * 1000)]),
    searchSignal: AbortSignal.any([signal, AbortSignal.timeout(seconds * 1000 * searchShare)]),
    onAnswer: ({ cost, upkeep, baseCost, plans, indexes }) =>
      progress.update(
        null,
        `${indexes.length} indexes leave ${((100 * (cost + upkeep)) / Math.max(baseCost, Number.MIN_VALUE)).toFixed(1)} % of the cost, ${plans} plans`,
      ),
  });
  signal.throwIfAborted();
  const rejections: Rejection[] = [];
  for (const request of whyNot) {
    const found = await session.whyNot(request);
    if (found.length === 0) {
      throw new AnnealError('ANNEAL_USAGE', {
        problem: `"${request}" is no index that a table of the workload could have; write it as "table(a, b)" or "(a, b)"`,
        command: 'advise',
      });
    }
    rejections.push(...found);
  }
  return { ...session.advice, rejections };
}
