import { isError, type AskedCall, type Callback, type RawRow } from './pg-calls.ts';

/** What is used of a `pg.Result`. */
interface PgResult {
  fields: readonly RawField[];
  _types?: unknown;
  _parsers?: unknown;
  _prebuiltEmptyResultObject?: unknown;
  command: string | null;
  rowCount: number | null;
  rows: unknown[];
  addFields(fields: readonly RawField[]): void;
  parseRow(fields: RawRow): unknown;
  addCommandComplete(message: { readonly text: string }): void;
}

type PgResultClass = new (rowMode: string | undefined, types: unknown) => PgResult;

/** What is used of a `pg.Query`. */
interface PgQuery {
  readonly _result: PgResult;
  handleRowDescription(message: { readonly fields: readonly RawField[] }): void;
  handleDataRow(message: { readonly fields: RawRow }): void;
}

export type PgQueryClass = new (text: string, values: readonly unknown[]) => PgQuery;

/** A column of an answer as the server described it (`pg-protocol`'s Field). */
export interface RawField {
  readonly name: string;
  readonly tableID: number;
  readonly columnID: number;
  readonly dataTypeID: number;
  readonly dataTypeSize: number;
  readonly dataTypeModifier: number;
  readonly format: string;
}

/** What one statement answered, before pg makes values of it. */
export class RawAnswer {
  readonly fields: readonly RawField[];
  readonly #Result: PgResultClass;
  /** The type parsers of the client that ran it. */
  readonly #types: unknown;
  /** The last result made: what pg works out of the fields is the same for the next one of its kind. */
  #last: { readonly result: PgResult; readonly rowMode: string | undefined; readonly types: unknown } | null = null;
  /** What pg made of the last number of rows. A copy: a result itself is the application's to change. */
  #completed: { readonly command: string | null; readonly rowCount: number } | null = null;

  constructor(fields: readonly RawField[], Result: PgResultClass, types: unknown) {
    this.fields = fields;
    this.#Result = Result;
    this.#types = types;
  }

  withFields(fields: readonly RawField[]): RawAnswer {
    return new RawAnswer(fields, this.#Result, this.#types);
  }

  /**
   * The result a call gets for its rows, made by pg itself from the same bytes; it shares nothing with another's that an
   * application changes. Throws what a type parser throws.
   */
  toResult({ rowMode, types }: Pick<AskedCall, 'rowMode' | 'types'>, rows: readonly RawRow[]): unknown {
    const result = new this.#Result(rowMode, types);
    result._types ??= this.#types;
    const last = this.#last;
    if (last !== null && last.rowMode === rowMode && last.types === types && last.result._prebuiltEmptyResultObject !== undefined) {
      result.fields = this.fields.slice();
      result._parsers = last.result._parsers;
      result._prebuiltEmptyResultObject = last.result._prebuiltEmptyResultObject;
    } else {
      result.addFields(this.fields.slice());
      this.#last = { result, rowMode, types };
    }
    result.rows = rows.map((row) => result.parseRow(row));
    this.#complete(result, rows.length);
    return result;
  }

  /** pg reads the number out of a text, by a regular expression: once for neighbours of equal length. */
  #complete(result: PgResult, rowCount: number): void {
    const known = this.#completed;
    if (known?.rowCount === rowCount) {
      result.command = known.command;
      result.rowCount = rowCount;
      return;
    }
    result.addCommandComplete({ text: `SELECT ${rowCount}` });
    this.#completed = { command: result.command, rowCount };
  }
}

/** What was captured of a statement's answer: its rows as they came over the wire. */
export interface Captured {
  readonly answer: RawAnswer;
  readonly rows: (string | null)[][];
}

interface CapturingQuery extends PgQuery {
  readonly captured: Captured | null;
}

type CapturingQueryClass = new (text: string, values: readonly unknown[]) => CapturingQuery;

const capturing = new WeakMap<PgQueryClass, CapturingQueryClass>();

/**
 * A query of pg's own that keeps its rows as they come. A class, one for each of pg's: where handlers are put on a query
 * itself, all that they refer to outlives every young collection (measured with V8 13.6: memory.test.ts).
 */
function capturingClass(Query: PgQueryClass): CapturingQueryClass {
  const known = capturing.get(Query);
  if (known !== undefined) return known;
  const made = class extends Query implements CapturingQuery {
    captured: Captured | null = null;

    override handleRowDescription({ fields }: { readonly fields: readonly RawField[] }): void {
      const { _result: result } = this;
      this.captured = { answer: new RawAnswer(fields, result.constructor as PgResultClass, result._types), rows: [] };
    }

    override handleDataRow({ fields }: { readonly fields: RawRow }): void {
      this.captured?.rows.push(fields as (string | null)[]);
    }
  };
  capturing.set(Query, made);
  return made;
}

/**
 * Runs a statement through pg and takes its answer before pg makes values of it. Null when it failed: what an error
 * means is for the application's own calls to find out.
 */
export function capture(
  Query: PgQueryClass,
  run: (query: object, callback: Callback) => unknown,
  statement: { readonly text: string; readonly values: readonly unknown[] },
  then: (captured: Captured | null) => void,
): void {
  const query = new (capturingClass(Query))(statement.text, statement.values);
  const answered: Callback = (error) => then(isError(error) ? null : query.captured);
  try {
    run(query, answered);
  } catch (error) {
    answered(error);
  }
}
