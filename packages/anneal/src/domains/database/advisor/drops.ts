import type { DatabaseSnapshot, SnapshotIndex } from '../../../ports/database-snapshot.ts';
import { qualifiedName } from '../../../ports/index-sql.ts';
import type { IndexDefinition } from '../../../ports/planner.ts';
import type { DropProposal } from './advisor.ts';
import { definitionOf } from './existing-indexes.ts';
import { spellingOf } from './candidate-pool.ts';

interface Existing {
  readonly index: SnapshotIndex;
  readonly definition: IndexDefinition;
}

export interface DropContext {
  /** Existing indexes (`schema.name`) that a plan of the workload uses. */
  readonly used: ReadonlySet<string>;
  /** What the workload would cost more without the index; null where the engine cannot tell. */
  readonly lossWithout: (index: SnapshotIndex) => Promise<number | null>;
  /** Of the workload; a loss below this share of it is none. */
  readonly leastLoss: number;
}

/**
 * No scan for a month and a few days: so long, that the work of a month's end is inside. Azure's tuning waits 35 to
 * 90 days. Counters that nobody dated may be a minute old.
 */
const leastWindowMs = 35 * 24 * 3_600_000;

function isLongEnough({ countedSince, takenAt }: DatabaseSnapshot): boolean {
  return countedSince !== undefined && Date.parse(takenAt) - Date.parse(countedSince) >= leastWindowMs;
}

/** Why no index is called unused, or null where the scans of long enough were counted. */
export function whyNoneIsUnused(snapshot: DatabaseSnapshot): string | null {
  if (isLongEnough(snapshot)) return null;
  return `no index is called unused: scans were counted ${window(snapshot)}, and it takes 35 days that are known`;
}

/** The window in which the server counted scans, as a sentence's end. */
function window({ countedSince, takenAt }: DatabaseSnapshot): string {
  if (countedSince === undefined) return 'since a moment the snapshot does not know';
  return `from ${countedSince.slice(0, 10)} to ${takenAt.slice(0, 10)}`;
}

/**
 * Indexes that only cost. Never one that backs a constraint or identifies rows to a replica, nor a unique one: it answers for the data, not
 * for speed. Exact duplicates and leftovers of failed builds come first, because they need no window; of two equal
 * ones the one with more scans stays.
 */
export async function dropProposals(snapshot: DatabaseSnapshot, context: DropContext): Promise<readonly DropProposal[]> {
  const existing = snapshot.indexes.flatMap((index): readonly Existing[] => {
    const definition = definitionOf(index);
    return definition === null ? [] : [{ index, definition }];
  });
  const found: DropProposal[] = [];
  const gone = new Set<SnapshotIndex>();
  const byTable = Map.groupBy(existing, ({ index: { schema, table } }) => JSON.stringify([schema, table]));
  for (const each of existing.toSorted((a, b) => a.index.scans - b.index.scans)) {
    const { index } = each;
    if (index.constraint !== null || index.unique || index.replicaIdentity) continue;
    const others = byTable
      .get(JSON.stringify([index.schema, index.table]))!
      .filter((other) => other.index !== index && other.index.valid && !gone.has(other.index));
    const cause = await causeOf(each, others, snapshot, context);
    if (cause === null) continue;
    gone.add(index);
    const { schema, name, table, definition, filePages } = index;
    const sql = `DROP INDEX CONCURRENTLY ${qualifiedName(schema, name)}`;
    found.push({ schema, name, table, definition, sizeBytes: filePages * 8192, sql, ...cause });
  }
  const order: readonly DropProposal['why'][] = ['invalid', 'duplicate', 'redundant-prefix', 'unused'];
  return found.toSorted((a, b) => order.indexOf(a.why) - order.indexOf(b.why) || b.sizeBytes - a.sizeBytes);
}

async function causeOf(
  { index, definition }: Existing,
  others: readonly Existing[],
  snapshot: DatabaseSnapshot,
  { used, lossWithout, leastLoss }: DropContext,
): Promise<Pick<DropProposal, 'why' | 'evidence' | 'loss'> | null> {
  if (!index.valid) return { why: 'invalid', evidence: ['it is INVALID: no plan may use it, and every write keeps it up'], loss: 0 };
  const twin = others.find((other) => spellingOf(other.definition) === spellingOf(definition));
  const scans = `${index.scans.toLocaleString('en')} scans ${window(snapshot)}`;
  if (twin !== undefined) {
    return { why: 'duplicate', evidence: [`${twin.index.name} has the same definition`, scans], loss: await lossWithout(index) };
  }
  const longer = others.find((other) => beginsWith(other.definition, definition));
  const isUnused = isLongEnough(snapshot) && index.scans === 0 && !used.has(`${index.schema}.${index.name}`);
  if (longer === undefined && !isUnused) return null;
  const loss = await lossWithout(index);
  // A shorter index is quicker to read: the longer one replaces it only where that costs nothing to speak of.
  if (loss !== null && loss > leastLoss) return null;
  return longer === undefined
    ? {
        why: 'unused',
        evidence: [scans, 'no plan of the workload uses it', 'scans on replicas are counted there, not here: look before you drop it'],
        loss,
      }
    : { why: 'redundant-prefix', evidence: [`${longer.index.name} begins with the same keys`, scans], loss };
}

function beginsWith(longer: IndexDefinition, shorter: IndexDefinition): boolean {
  return (
    longer.method === 'btree' &&
    shorter.method === 'btree' &&
    longer.predicate === shorter.predicate &&
    longer.keys.length > shorter.keys.length &&
    shorter.keys.every((key, at) => key === longer.keys[at]) &&
    shorter.include.every((column) => longer.include.includes(column) || longer.keys.includes(column))
  );
}
