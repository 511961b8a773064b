import { z } from 'zod';
import { AnnealError } from '../../../errors.ts';
import type { DatabaseSnapshot } from '../../../ports/database-snapshot.ts';

const text = z.string();
const number = z.number();
const flag = z.boolean();
const numbers = z.array(number).nullable();
const orNull = text.nullable();
const place = z.object({ schema: text, name: text });

const columnStatistics = z.object({
  inherited: flag,
  nullShare: number,
  averageWidthBytes: number,
  distinct: number,
  correlation: number.nullable(),
  mostCommonValues: orNull,
  mostCommonFrequencies: numbers,
  histogramBounds: orNull,
  mostCommonElements: orNull,
  mostCommonElementFrequencies: numbers,
  elementCountHistogram: numbers,
  rangeLengthHistogram: orNull.exactOptional(),
  rangeEmptyShare: number.nullable().exactOptional(),
  rangeBoundsHistogram: orNull.exactOptional(),
});

const column = z.object({
  name: text,
  type: text,
  notNull: flag,
  collation: orNull,
  expression: orNull,
  generated: z.enum(['stored', 'virtual']).nullable(),
  fixedLengthBytes: number,
  alignment: z.enum(['c', 's', 'i', 'd']),
  statistics: columnStatistics.nullable(),
});

const table = z.object({
  schema: text,
  name: text,
  kind: z.enum(['table', 'partitioned', 'partition', 'materialized-view', 'foreign']),
  parent: z.object({ schema: text, name: text, bound: text }).nullable(),
  partitionKey: orNull,
  columns: z.array(column),
  pages: number,
  rows: number,
  allVisiblePages: number,
  filePages: number,
  options: z.array(text),
  inserts: number,
  updates: number,
  hotUpdates: number,
  deletes: number,
});

const index = z.object({
  schema: text,
  name: text,
  table: text,
  definition: text,
  constraint: z.enum(['primary', 'unique', 'exclusion']).nullable(),
  unique: flag,
  valid: flag,
  replicaIdentity: flag,
  pages: number,
  rows: number,
  filePages: number,
  expressionStatistics: z.array(columnStatistics.nullable()),
  scans: number,
});

const snapshot: z.ZodType<DatabaseSnapshot> = z.object({
  formatVersion: z.literal(1),
  takenAt: text,
  server: z.object({ version: text, versionNumber: number }),
  collation: text,
  values: z.enum(['kept', 'hashed', 'left-out']),
  settings: z.record(text, text),
  extensions: z.array(z.object({ name: text, version: text, schema: text })),
  prerequisites: z.array(text),
  tables: z.array(table),
  indexes: z.array(index),
  foreignKeys: z.array(z.object({ name: text, schema: text, table: text, definition: text })),
  views: z.array(text),
  extendedStatistics: z.array(
    z.object({ schema: text, name: text, table: place, definition: text, distinct: orNull, dependencies: orNull }),
  ),
  statements: z.array(z.object({ id: text, text, calls: number, totalMs: number, rows: number, samples: z.array(z.array(z.unknown())) })),
  countedSince: text.exactOptional(),
  gaps: z.array(text),
});

/** The snapshot a file holds. Throws ANNEAL_SNAPSHOT_UNREADABLE, which says where it departs from one. */
export function parseSnapshot(content: string, path: string): DatabaseSnapshot {
  const refuse = (problem: string, cause?: unknown) => new AnnealError('ANNEAL_SNAPSHOT_UNREADABLE', { path, problem }, { cause });
  let value: unknown;
  try {
    value = JSON.parse(content);
  } catch (cause) {
    throw refuse('it is not JSON', cause);
  }
  const parsed = snapshot.safeParse(value);
  if (parsed.success) return parsed.data;
  const version = z.looseObject({ formatVersion: number }).safeParse(value).data?.formatVersion;
  if (version !== undefined && version !== 1) throw refuse(`it has format version ${version}, this Anneal reads 1`);
  const [first] = parsed.error.issues;
  const where = (first?.path ?? []).map((key) => (typeof key === 'number' ? `[${key}]` : `.${String(key)}`)).join('');
  throw refuse(`${where === '' ? 'the file' : where.replace(/^\./u, '')}: ${first?.message ?? 'it is not a snapshot'}`);
}
