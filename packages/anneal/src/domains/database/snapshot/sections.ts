import type { Progress } from '../../../ports/progress.ts';
import type { Sql } from '../../../ports/sql.ts';

/** The parts of a snapshot: each is read by itself, and one that cannot be read is a gap and not the end. */
export interface Sections {
  read<T>(what: string, work: (sql: Sql) => Promise<T>, otherwise: T): Promise<T>;
  /** A sentence for each part that could not be read. */
  gaps(): readonly string[];
}

export function createSections(reading: Sql, progress: Progress): Sections {
  const gaps: string[] = [];
  return {
    async read(what, work, otherwise) {
      progress.update(null, what);
      try {
        // Inside a transaction this is a savepoint, so that a failure leaves the rest readable.
        return await reading.readOnly(work);
      } catch (error) {
        if (!(error instanceof Error) || !('code' in error)) throw error;
        gaps.push(`${what} could not be read: ${error.message}`);
        return otherwise;
      }
    },
    gaps: () => gaps,
  };
}
