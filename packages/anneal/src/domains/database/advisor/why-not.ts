import type { IndexDefinition } from '../../../ports/planner.ts';
import { splitOutside } from '../index-size/sql-lists.ts';
import type { SearchMemory, SearchAnswer } from './search.ts';
import { spellingOf } from './candidate-pool.ts';

/** The number that spoke against an index, as data and as a sentence. */
export interface Rejection {
  readonly definition: IndexDefinition;
  readonly verdict:
    | 'proposed'
    | 'exists'
    | 'refused'
    | 'nothing-to-serve'
    | 'not-used'
    | 'upkeep-exceeds-gain'
    | 'over-budget'
    | 'served-by-the-set'
    | 'below-threshold'
    | 'no-room'
    | 'not-reached';
  readonly sentence: string;
  /** In the advice's unit: alone, and beside the chosen set. */
  readonly gainAlone: number | null;
  readonly gainBeside: number | null;
  readonly upkeep: number | null;
  readonly sizeBytes: number | null;
}

export interface RejectionContext {
  readonly answer: SearchAnswer;
  readonly memory: SearchMemory;
  readonly weights: readonly number[];
  readonly statementIds: readonly string[];
  readonly isRelevant: (statement: number, definition: IndexDefinition) => boolean;
  /** The name of an existing index that answers the same purpose. */
  readonly existing: (definition: IndexDefinition) => string | null;
  /** PostgreSQL's own words against it; null where it can be built. */
  readonly refusal: (definition: IndexDefinition) => Promise<string | null>;
  readonly budgetBytes: number;
  /** What an index has to earn beyond its upkeep. */
  readonly leastGain: number;
  readonly unit: string;
}

/** Why an index is not among the proposals: the first number that fails, in the order in which an index has to pass. */
export async function explainRejection(definition: IndexDefinition, context: RejectionContext): Promise<Rejection> {
  const { answer, memory, weights, budgetBytes, leastGain, unit } = context;
  const chosen = answer.indexes.map((candidate) => candidate.definition);
  const empty = { definition, gainAlone: null, gainBeside: null, upkeep: null, sizeBytes: null };
  const name = nameOf(definition);
  if (chosen.some((other) => spellingOf(other) === spellingOf(definition))) {
    return { ...empty, verdict: 'proposed', sentence: `${name} is proposed.` };
  }
  const existing = context.existing(definition);
  if (existing !== null) return { ...empty, verdict: 'exists', sentence: `${existing} exists and serves the same purpose.` };
  const refusal = await context.refusal(definition);
  if (refusal !== null) return { ...empty, verdict: 'refused', sentence: `PostgreSQL refuses it: ${refusal}.` };

  const position = memory.pool.position(definition);
  const { sizeBytes, upkeep } = memory.pool.at(position);
  const relevant = weights.flatMap((_, statement) => (context.isRelevant(statement, definition) ? [statement] : []));
  if (relevant.length === 0) {
    const sentence = `No planned statement asks anything of ${definition.table}.${definition.keys[0]}, the first key.`;
    return { ...empty, sizeBytes, upkeep, verdict: 'nothing-to-serve', sentence };
  }
  const positions = chosen.map((other) => memory.pool.position(other));
  let [gainAlone, gainBeside] = [0, 0];
  const users: string[] = [];
  const insteadUsed = new Set<string>();
  for (const statement of relevant) {
    const [none, alone] = [await memory.known.plan(statement, []), await memory.known.plan(statement, [position])];
    const [without, beside] = [await memory.known.plan(statement, positions), await memory.known.plan(statement, [...positions, position])];
    gainAlone += weights[statement]! * (none.cost - alone.cost);
    gainBeside += weights[statement]! * (without.cost - beside.cost);
    if (!alone.uses.includes(position)) continue;
    users.push(context.statementIds[statement]!);
    for (const index of without.uses) insteadUsed.add(nameOf(memory.pool.at(index).definition));
  }
  const figures = { definition, gainAlone, gainBeside, upkeep, sizeBytes };
  const amount = (value: number) => `${Number(value.toPrecision(3)).toLocaleString('en')} ${unit}`;
  const megabytes = (bytes: number) => `${(bytes / 1e6).toPrecision(3)} MB`;
  if (users.length === 0) {
    const sentence = `${relevant.length} statement(s) could use ${name}, and the planner would in none: each has a cheaper plan without it.`;
    return { ...figures, verdict: 'not-used', sentence };
  }
  if (upkeep >= gainAlone) {
    const sentence = `Keeping it up costs the writes ${amount(upkeep)}, and it saves ${amount(gainAlone)}.`;
    return { ...figures, verdict: 'upkeep-exceeds-gain', sentence };
  }
  if (sizeBytes > budgetBytes) {
    const sentence = `It would take ${megabytes(sizeBytes)} of a budget of ${megabytes(budgetBytes)}.`;
    return { ...figures, verdict: 'over-budget', sentence };
  }
  const net = gainBeside - upkeep;
  const alone = `Alone it would save ${amount(gainAlone)} (${users.join(', ')})`;
  if (net <= leastGain) {
    const beside = `beside the proposed indexes ${amount(gainBeside)}, with ${amount(upkeep)} of upkeep`;
    const instead = insteadUsed.size === 0 ? '' : `; those statements use ${[...insteadUsed].join(', ')}`;
    const verdict = gainBeside <= upkeep ? 'served-by-the-set' : 'below-threshold';
    const least = verdict === 'below-threshold' ? `, and an index has to earn ${amount(leastGain)}` : '';
    return { ...figures, verdict, sentence: `${alone}, ${beside}${least}${instead}.` };
  }
  const beside = `${alone}, beside the proposed indexes ${amount(gainBeside)}`;
  const room = budgetBytes - answer.sizeBytes;
  if (sizeBytes <= room) return { ...figures, verdict: 'not-reached', sentence: `${beside}: the search ended before it came to it.` };
  const sentence = `${beside}; it takes ${megabytes(sizeBytes)}, of the budget ${megabytes(room)} are left, and what it would displace is worth more.`;
  return { ...figures, verdict: 'no-room', sentence };
}

export function nameOf({ table, keys, include, predicate }: IndexDefinition): string {
  const payload = include.length === 0 ? '' : ` INCLUDE (${include.join(', ')})`;
  return `${table}(${keys.join(', ')})${payload}${predicate === null ? '' : ` WHERE ${predicate}`}`;
}

/**
 * `table(a, b)`, `schema.table(a, b)` or `(a, b)`, the last for every table that has such columns. Null where it is none of these.
 */
export function parseIndexRequest(
  text: string,
): { readonly schema: string | null; readonly table: string | null; readonly keys: readonly string[] } | null {
  const match = /^\s*(?:(?:(?<schema>"[^"]+"|[\w$]+)\.)?(?<table>"[^"]+"|[\w$]+)\s*)?\((?<keys>.+)\)\s*$/su.exec(text);
  if (match?.groups === undefined) return null;
  const bare = (name: string | undefined) => (name === undefined ? null : name.replaceAll('"', ''));
  const keys = splitOutside(match.groups['keys']!, ',').map((key) => key.trim());
  return keys.includes('') ? null : { schema: bare(match.groups['schema']), table: bare(match.groups['table']), keys };
}
