import type { AskedCall, Callback, RawRow } from './pg-calls.ts';

/** What is used of a `pg.Query`: pg itself turns what came over the wire into the application's result. */
export interface PgQuery {
  _result: { _types?: unknown };
  handleRowDescription(message: { readonly fields: readonly RawField[] }): void;
  handleDataRow(message: { readonly fields: RawRow }): void;
  handleCommandComplete(message: { readonly text: string }, connection: unknown): void;
  handleReadyForQuery(connection: unknown): void;
}

export type PgQueryClass = new (config: object, values?: unknown, callback?: Callback) => PgQuery;

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
  /** The type parsers of the client that ran it. */
  readonly types: unknown;

  constructor(fields: readonly RawField[], types: unknown) {
    this.fields = fields;
    this.types = types;
  }

  withFields(fields: readonly RawField[]): RawAnswer {
    return new RawAnswer(fields, this.types);
  }

  /** A query as pg would have made it for this call, waiting for its answer. */
  toQuery(Query: PgQueryClass, { text, rowMode, types }: Pick<AskedCall, 'text' | 'rowMode' | 'types'>, callback: Callback): PgQuery {
    const query = new Query({ text, rowMode, types }, undefined, callback);
    query._result._types ??= this.types;
    return query;
  }

  /** Tells the query what the server would have said. Results of two calls share nothing that an application changes. */
  play(query: PgQuery, rows: readonly RawRow[]): void {
    query.handleRowDescription({ fields: this.fields.slice() });
    for (const fields of rows) query.handleDataRow({ fields });
    query.handleCommandComplete({ text: `SELECT ${rows.length}` }, null);
    query.handleReadyForQuery(null);
  }
}

interface Captured {
  readonly answer: RawAnswer;
  readonly rows: readonly RawRow[];
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
  const query = new Query({ text: statement.text, values: statement.values });
  let described: readonly RawField[] | null = null;
  const rows: RawRow[] = [];
  query.handleRowDescription = ({ fields }) => {
    described = fields;
  };
  query.handleDataRow = ({ fields }) => {
    rows.push(fields);
  };
  run(query, (error) => {
    const failed = (error !== undefined && error !== null) || described === null;
    then(failed ? null : { answer: new RawAnswer(described!, query._result._types), rows });
  });
}
