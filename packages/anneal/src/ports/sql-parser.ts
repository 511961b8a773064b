import type { Query } from './sql-tree.ts';

/** PostgreSQL's own parser, as Anneal uses it; `adapters/sql-parser.ts` wraps libpg-query. */
export interface SqlParser {
  /** Equal for texts that differ only in constants, case of keywords and white space; null when the text does not parse. */
  fingerprint(text: string): string | null;
  /** Constants replaced by `$n`, `preparable`. A text that does not parse comes back with every literal masked. */
  normalise(text: string): string;
  /**
   * A statement whose constants the server replaced by `$n`, as SQL that PREPARE takes: pg_stat_statements makes `interval $1` of
   * `interval '1 day'`. Any other text, and what does not parse, as it is.
   */
  preparable(text: string): string;
  shape(text: string): StatementShape | null;
  /** What one statement's answer and effect hang on, as far as its own text says; null where the text alone cannot tell. */
  dependencies(text: string): StatementDependencies | null;
  /** Every place of a parameter, in the order of the text; `at` counts UTF-16 units to its `$`. Null when the text does not parse. */
  parametersAt(text: string): readonly ParameterPlace[] | null;
}

export interface ParameterPlace {
  readonly at: number;
  readonly number: number;
}

/** What the parse tree of one statement says, as far as rules and index candidates need it. */
export interface StatementShape {
  readonly kind: 'select' | 'insert' | 'update' | 'delete' | 'other';
  /** Every table named, once, `schema.name` where the text has a schema, else `name`. */
  readonly tables: readonly TableReference[];
  /** `column <operator> value` conditions of WHERE and JOIN, whose other side is a constant or parameter. */
  readonly predicates: readonly PredicateShape[];
  /** `a.x = b.y` conditions. */
  readonly joins: readonly JoinShape[];
  /** Of the level that sorts and limits, a subquery or not; without one of the outermost SELECT. So are `aggregates` and `groups`. */
  readonly orderBy: readonly OrderKey[];
  readonly hasLimit: boolean;
  readonly hasOffset: boolean;
  /** Position of the parameter that is the OFFSET, when it is one. */
  readonly offsetParameter: number | null;
  /** `SELECT *` or `t.*`. */
  readonly selectsStar: boolean;
  readonly aggregates: boolean;
  readonly groups: boolean;
  /** Columns an UPDATE, or the ON CONFLICT of an INSERT, assigns: an index on one of them ends heap-only updates. */
  readonly assignedColumns?: readonly string[];
  /**
   * The whole of a SELECT, for rewriting; null for other statements and for syntax that `sql-tree.ts` has no place for.
   * Printed, it parses into itself. It holds the text's constants: `printQuery` masks them for whatever is written down.
   */
  readonly query?: Query | null;
  /** Every column named anywhere, once per role: what an index must hold to answer alone. */
  readonly columns?: readonly ColumnUse[];
}

export interface ColumnUse {
  readonly qualifier: string | null;
  readonly column: string;
  /** `grouped`: a plain column of GROUP BY or DISTINCT, which an index can deliver in order. */
  readonly role: 'read' | 'grouped';
}

export interface TableReference {
  readonly schema: string | null;
  readonly name: string;
  readonly alias: string | null;
}

export interface PredicateShape {
  /** Alias or table name the column is qualified with; null when unqualified. */
  readonly qualifier: string | null;
  /** Null when the condition is on an expression without a single column. */
  readonly column: string | null;
  /** Canonical SQL of the indexed side, e.g. `post_id`, `lower(email)`. */
  readonly expression: string;
  readonly operator:
    | '='
    | '<'
    | '<='
    | '>'
    | '>='
    | 'between'
    | 'in'
    | 'like'
    | 'ilike'
    | '@>'
    | 'regex'
    | 'is null'
    | 'is not null'
    | 'other';
  /** The condition is one arm of an OR: an index on it helps only where every other arm has one. */
  readonly alternative?: boolean;
  /** A constant that is part of the statement's own text, so that a partial index could hold it; null for parameters. */
  readonly constant: string | null;
}

export interface JoinShape {
  readonly left: { readonly qualifier: string | null; readonly column: string };
  readonly right: { readonly qualifier: string | null; readonly column: string };
}

export interface OrderKey {
  readonly qualifier: string | null;
  readonly expression: string;
  readonly direction: 'asc' | 'desc';
}

export interface NamedTable {
  readonly schema: string | null;
  readonly name: string;
}

/** `column = $parameter` has to hold for every row of it that matters; one entry per such condition. */
export interface KeyedTable extends NamedTable {
  readonly keys: readonly { readonly column: string; readonly parameter: number }[];
}

/** Of a SELECT, INSERT, UPDATE or DELETE. */
export interface StatementDependencies {
  /** Once per place where the table stands. Names of CTEs among them: where a table has the same name, either may be meant. */
  readonly reads: readonly KeyedTable[];
  readonly writes: readonly (KeyedTable & {
    readonly action: 'insert' | 'update' | 'delete';
    /** Columns that an UPDATE assigns; `*` where it does not say. */
    readonly assigned: readonly string[];
  })[];
  readonly commonTables: readonly string[];
  readonly functions: readonly { readonly schema: string | null; readonly name: string }[];
  /** It names the present moment or who asks: CURRENT_TIMESTAMP, CURRENT_USER, 'now'. */
  readonly momentary: boolean;
  /** FOR UPDATE and its like. */
  readonly locks: boolean;
}
