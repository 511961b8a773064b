import type { IndexDefinition } from '../../ports/planner.ts';
import type { PredictedIndexSize, TableStatistics } from './index-size.ts';

/** What CREATE INDEX reads, sorts and writes. Bytes follow from the sizes; the time is predicted from assumed rates. */
export interface IndexBuildCost {
  /** The heap, once; CONCURRENTLY reads it a second time. */
  readonly readBytes: number;
  /** The file itself, which also goes through the write-ahead log as full pages. */
  readonly writtenBytes: number;
  readonly walBytes: number;
  /** Written and read again by a sort that does not fit `maintenance_work_mem`; 0 where it fits. */
  readonly spilledBytes: number;
  readonly buildMs: number;
}

export interface BuildRates {
  /** Of sequential reading and writing, per 8 kB page. */
  readonly pageMs: number;
  /** Of reading a row and comparing its key once, in a sort of n rows log2(n) times. */
  readonly rowMs: number;
  readonly comparisonMs: number;
}

/**
 * Assumed, not measured on the server in question: a page in 5 microseconds, a row in 0.1, and a comparison in 10
 * nanoseconds, which is what one core took in memory. Nine of ten indexes of the laboratory were built in 0.4 to 2.1 times the time they make,
 * so it tells seconds from minutes and no more. Indexes that were built on the same server say better: divide their time by this one's.
 */
const assumedRates: BuildRates = { pageMs: 0.005, rowMs: 0.0001, comparisonMs: 0.000_01 };

/** The default of `maintenance_work_mem`. */
const defaultSortBytes = 64 * 1024 * 1024;

export interface BuildOptions {
  readonly concurrently: boolean;
  readonly maintenanceWorkMemBytes?: number;
  readonly rates?: BuildRates;
}

export function indexBuildCost(
  { method }: IndexDefinition,
  table: TableStatistics,
  size: PredictedIndexSize,
  { concurrently, maintenanceWorkMemBytes = defaultSortBytes, rates = assumedRates }: BuildOptions,
): IndexBuildCost {
  const entries = size.rows * size.entriesPerRow;
  // A sorted tuple carries its place in the array of tuples beside itself (SortTuple, 24 bytes).
  const sortBytes = method === 'brin' ? 0 : entries * (size.entryBytes + 24);
  const spilledBytes = sortBytes > maintenanceWorkMemBytes ? 2 * sortBytes : 0;
  const readBytes = table.pages * 8192 * (concurrently ? 2 : 1);
  // GIN looks an entry up among the different ones, about as many as the square root of all; BRIN sorts nothing.
  const depth = method === 'brin' ? 0 : Math.log2(Math.max(2, entries)) * (method === 'gin' ? 0.5 : 1);
  const comparisons = entries * depth;
  const pages = (readBytes + size.sizeBytes + spilledBytes) / 8192;
  return {
    readBytes,
    writtenBytes: size.sizeBytes,
    walBytes: size.sizeBytes,
    spilledBytes,
    buildMs: pages * rates.pageMs + table.rows * rates.rowMs + comparisons * rates.comparisonMs,
  };
}
