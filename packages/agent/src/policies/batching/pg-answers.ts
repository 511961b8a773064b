import type { AskedCall, Callback, RawRow } from './pg-calls.ts';

/** What is used of a `pg.Result`. */
interface PgResult {
  fields: readonly RawField[];
  _types?: unknown;
  _parsers?: unknown;
  _prebuiltEmptyResultObject?: unknown;
  addFields(fields: readonly RawField[]): void;
  parseRow(fields: RawRow): unknown;
  addRow(row: unknown): void;
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
    this.#describe(result, rowMode, types);
    for (const row of rows) result.addRow(result.parseRow(row));
    result.addCommandComplete({ text: `SELECT ${rows.length}` });
    return result;
  }

  #describe(result: PgResult, rowMode: string | undefined, types: unknown): void {
    const last = this.#last;
    if (last !== null && last.rowMode === rowMode && last.types === types && last.result._prebuiltEmptyResultObject !== undefined) {
      result.fields = this.fields.slice();
      result._parsers = last.result._parsers;
      result._prebuiltEmptyResultObject = last.result._prebuiltEmptyResultObject;
      return;
    }
    result.addFields(this.fields.slice());
    this.#last = { result, rowMode, types };
  }
}

/**
 * Runs a statement through pg and takes its answer before pg makes values of it. Null when it failed: what an error
 * means is for the application's own calls to find out.
 */
export function capture(
  Query: PgQueryClass,
  run: (query: object, callback: Callback) => unknown,
  statement: { readonly text: string; readonly values: readonly unknown[] },
  then: (captured: { readonly answer: RawAnswer; readonly rows: (string | null)[][] } | null) => void,
): void {
  const query = new Query(statement.text, statement.values);
  let described: readonly RawField[] | null = null;
  const rows: (string | null)[][] = [];
  query.handleRowDescription = ({ fields }) => {
    described = fields;
  };
  query.handleDataRow = ({ fields }) => {
    rows.push(fields as (string | null)[]);
  };
  const answered: Callback = (error) => {
    if ((error !== undefined && error !== null) || described === null) then(null);
    else then({ answer: new RawAnswer(described, query._result.constructor as PgResultClass, query._result._types), rows });
  };
  try {
    run(query, answered);
  } catch (error) {
    answered(error);
  }
}
