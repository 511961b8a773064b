import type { BatchedStatement } from './batched-statement.ts';
import { capture, type RawAnswer, type RawField } from './pg-answers.ts';
import { isError, type Callback, type RawRow, type Runner } from './pg-calls.ts';

interface Shadowed {
  readonly statement: BatchedStatement;
  readonly runner: Runner;
  readonly text: string;
  readonly values: readonly unknown[];
  readonly answer: RawAnswer;
  readonly rows: readonly RawRow[];
  /** Whether nothing of this process can have changed what the batch read. */
  readonly isUndisturbed: () => boolean;
}

/**
 * Sends the original of one batched call after it and compares what came over the wire. Where they differ and nothing of this
 * process explains it, somebody else's write may: both forms are asked again within one snapshot, and only if they
 * differ there too has the batch answered wrongly, which ends the policy.
 */
export function compareWithOriginal(shadowed: Shadowed): void {
  const { statement, runner, text, values, answer, rows, isUndisturbed } = shadowed;
  capture(
    runner.Query,
    (query, callback) => runner.run(query, undefined, callback),
    { text, values },
    (original) => {
      if (original === null) statement.figures.shadowsFailed += 1;
      else if (isSame(statement, answer.fields, rows, original.answer.fields, original.rows)) statement.figures.shadowsEqual += 1;
      else if (isUndisturbed()) confirm(shadowed);
      else statement.figures.shadowsExplained += 1;
    },
  );
}

/** What is used of a `pg.Pool` for a transaction of our own. */
interface PoolLike {
  connect?(callback: (error: unknown, client: ClientLike, release: (error?: unknown) => void) => void): void;
}
interface ClientLike {
  query(statement: unknown, values?: unknown, callback?: Callback): unknown;
}

const oneSnapshot = 'BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY';

function confirm({ statement, runner, text, values }: Shadowed): void {
  const pool = runner.owner as PoolLike;
  const differs = () => statement.end('a batch and its original answered differently');
  if (runner.kind === 'client' || pool.connect === undefined) {
    // A client that the application holds is not ours to begin a transaction on: in doubt against the batch.
    differs();
    return;
  }
  pool.connect((error, client, release) => {
    if (isError(error)) {
      differs();
      return;
    }
    const run = (query: object, callback: Callback) => client.query(query, undefined, callback);
    const batch = { text: statement.textFor(text), values: values.map((value) => [value]) };
    // One connection answers in the order it was asked.
    client.query(oneSnapshot, undefined, (refused) => {
      if (isError(refused)) {
        release(refused);
        differs();
        return;
      }
      capture(runner.Query, run, { text, values }, (original) => {
        capture(runner.Query, run, batch, (again) => {
          client.query('ROLLBACK', undefined, (failed) => release(failed));
          if (original === null || again === null) statement.figures.shadowsFailed += 1;
          else {
            const rows = again.rows.map((row) => row.slice(0, -1));
            const fields = again.answer.fields.slice(0, -1);
            if (isSame(statement, fields, rows, original.answer.fields, original.rows)) statement.figures.shadowsExplained += 1;
            else differs();
          }
        });
      });
    });
  });
}

function isSame(
  { policy }: BatchedStatement,
  fields: readonly RawField[],
  rows: readonly RawRow[],
  originalFields: readonly RawField[],
  originalRows: readonly RawRow[],
): boolean {
  if (fields.length !== originalFields.length || rows.length !== originalRows.length) return false;
  if (!fields.every((field, index) => describe(field) === describe(originalFields[index]!))) return false;
  const lines = [rows, originalRows].map((all) => all.map((row) => JSON.stringify(row)));
  // Without a total order SQL leaves the choice to the plan.
  const [own, theirs] = policy.isOrdered ? lines : lines.map((all) => all.toSorted());
  return own!.every((line, index) => line === theirs![index]);
}

function describe({ name, tableID, columnID, dataTypeID, dataTypeSize, dataTypeModifier, format }: RawField): string {
  return JSON.stringify([name, tableID, columnID, dataTypeID, dataTypeSize, dataTypeModifier, format]);
}
