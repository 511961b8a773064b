import { sqlTemplate } from '../../statements/sql-template.ts';

/**
 * What Anneal knows about a backend's statements, worked out with PostgreSQL's own parser and the catalogue (views
 * expanded; triggers, cascades and partitions followed). The agent parses nothing: what is not in the list is unknown.
 */
export interface CacheKnowledge {
  /** Reads count only when they were made over connections to here: a standby would answer with the past. */
  readonly connection: {
    readonly host: string;
    readonly port: number;
    readonly database: string;
    readonly user: string;
  };
  readonly statements: readonly StatementKnowledge[];
  /**
   * Who else writes: `none` is a promise of whoever wrote the policy; `streamed` means that Anneal reports every commit
   * of the database and that every kept answer carries a snapshot to hold it against.
   */
  readonly outsideWriters: 'none' | 'streamed';
  /** Where several processes serve the same backend: generations are kept there for all of them. */
  readonly shared?: SharedPlace;
}

/** A Redis, its primary. */
export interface SharedPlace {
  readonly host: string;
  readonly port: number;
  /** New for every time the policy is put in force, so that nothing old is ever believed. */
  readonly scope: string;
  /** How many serve the backend, each with the policy. While fewer are heard nothing is served from memory. */
  readonly processes: number;
}

export interface StatementKnowledge {
  /** As `sqlTemplate` writes it. */
  readonly template: string;
  /** Null: what it answers depends on more than tables, and is never kept. */
  readonly reads: readonly TableUse[] | null;
  readonly writes: readonly TableUse[];
}

export interface TableUse {
  /** `schema.table`. */
  readonly table: string;
  /** Where the statement touches no row but the one whose primary key is this parameter; null when it may touch any. */
  readonly key: KeyParameter | null;
}

export interface KeyParameter {
  readonly column: string;
  /** As in `$1`. */
  readonly parameter: number;
  readonly type: 'integer' | 'text' | 'uuid';
}

export type Meaning =
  | { readonly kind: 'read'; readonly uses: readonly TableUse[]; readonly template: string }
  | { readonly kind: 'private-read' }
  | { readonly kind: 'write'; readonly uses: readonly TableUse[] }
  | { readonly kind: 'begin' | 'commit' | 'within-transaction' | 'setting' | 'unknown' };

const name = '(?:"[^"]+"|\\w+)';
/** `BEGIN` to `SET` of the manual's SQL commands. What chains (`AND CHAIN`) or is prepared is not here, and so counts as unknown. */
const transactionControl: readonly (readonly [RegExp, Meaning])[] = [
  [
    /^(?:begin|start transaction)(?: work| transaction)?(?:,? ?(?:isolation level (?:serializable|repeatable read|read committed|read uncommitted)|read only|read write|(?:not )?deferrable))*;?$/i,
    { kind: 'begin' },
  ],
  [/^(?:commit|end)(?: work| transaction)?(?: and no chain)?;?$/i, { kind: 'commit' }],
  [/^(?:rollback|abort)(?: work| transaction)?(?: and no chain)?;?$/i, { kind: 'within-transaction' }],
  [/^set transaction .*$/i, { kind: 'within-transaction' }],
  [
    /^set (?:session )?(?!local\b|role\b|session\b|transaction\b|constraints\b)[\w.]+ ?(?:to\b|=| time zone\b)[^;]*;?$/i,
    { kind: 'setting' },
  ],
  [
    new RegExp(`^(?:savepoint ${name}|release (?:savepoint )?${name}|rollback (?:work |transaction )?to (?:savepoint )?${name});?$`, 'i'),
    { kind: 'within-transaction' },
  ],
];

const unknown: Meaning = { kind: 'unknown' };
const mostTexts = 10_000;
const longestText = 16_384;

/** The meaning of statements by their text; worked out once per text. */
export class Meanings {
  readonly #byTemplate = new Map<string, Meaning>();
  readonly #byText = new Map<string, Meaning>();

  constructor(statements: readonly StatementKnowledge[]) {
    for (const { template, reads, writes } of statements) {
      if (writes.length > 0) this.#byTemplate.set(template, { kind: 'write', uses: writes });
      else this.#byTemplate.set(template, reads === null ? { kind: 'private-read' } : { kind: 'read', uses: reads, template });
    }
  }

  of(sql: string | null): Meaning {
    if (sql === null || sql.length > longestText) return unknown;
    const known = this.#byText.get(sql);
    if (known !== undefined) return known;
    const { text } = sqlTemplate(sql);
    const meaning = this.#byTemplate.get(text) ?? transactionControl.find(([pattern]) => pattern.test(text))?.[1] ?? unknown;
    if (this.#byText.size >= mostTexts) this.#byText.clear();
    this.#byText.set(sql, meaning);
    return meaning;
  }
}

/**
 * A table has two tags of its own. Every write bumps `t`, which is what a read of any rows depends on. A read of one row
 * depends on that row's tag and on `t:*`, which is bumped by writes that may touch any row.
 */
export function tagsRead(uses: readonly TableUse[], values: readonly unknown[] | undefined): string[] {
  return uses.flatMap(({ table, key }) => {
    const value = canonicalKey(key, values);
    return key === null || value === null ? [table] : [`${table}:*`, `${table}:${key.column}=${value}`];
  });
}

export function tagsWritten(uses: readonly TableUse[], values: readonly unknown[] | undefined): string[] {
  return uses.flatMap(({ table, key }) => {
    // `*` stands for all tables, and for whatever else there may be.
    if (table === '*') return [table];
    const value = canonicalKey(key, values);
    return key === null || value === null ? [table, `${table}:*`] : [table, `${table}:${key.column}=${value}`];
  });
}

/** Two spellings of one key must give one tag: what cannot be spelled in one certain way counts as "any row". */
function canonicalKey(key: KeyParameter | null, values: readonly unknown[] | undefined): string | null {
  if (key === null) return null;
  const value = values?.[key.parameter - 1];
  if (typeof value === 'bigint' || (typeof value === 'number' && Number.isSafeInteger(value))) {
    return key.type === 'uuid' ? null : String(value);
  }
  if (typeof value !== 'string') return null;
  if (key.type === 'text') return value;
  if (key.type === 'integer') return /^\s*[+-]?\d{1,19}\s*$/.test(value) ? BigInt(value).toString() : null;
  const digits = value.toLowerCase().replaceAll(/[-{}]/g, '');
  return /^[\da-f]{32}$/.test(digits) ? digits : null;
}
