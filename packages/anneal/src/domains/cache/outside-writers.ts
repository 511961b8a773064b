import type { ChangeListener, CommittedTransaction, RowChange } from '../../ports/change-stream.ts';
import type { AgentControl } from '../../ports/agent.ts';
import type { CatalogueTable } from './knowledge/read-catalogue.ts';

/**
 * Tells the agent what every transaction of the database changed, in the tags it keeps answers by. The application's
 * own commits come along: the agent knows from its snapshots that it has seen them.
 */
export function outsideWriters(agent: AgentControl, policyId: string, tables: readonly CatalogueTable[]): ChangeListener {
  const known = new Map(tables.map((table) => [`${table.schema}.${table.name}`, table]));
  // A policy that has ended by itself is nobody to tell; the trial sees that it is gone.
  const inform = (news: unknown) => void agent.inform(policyId, news).catch(() => undefined);
  return {
    committed: (transactions) => inform({ kind: 'commits', commits: transactions.map((transaction) => commitOf(transaction, known)) }),
    alive: () => inform({ kind: 'alive' }),
    lost: () => inform({ kind: 'lost' }),
  };
}

/** More rows than that are told as their tables: a bulk load is no message. */
const mostTags = 500;

function commitOf({ id, changes }: CommittedTransaction, known: ReadonlyMap<string, CatalogueTable>) {
  const tags = new Set<string>();
  for (const change of changes) {
    for (const tag of tagsOf(change, known)) tags.add(tag);
    if (tags.size > mostTags) return { transactionId: id, tags: coarse(changes, known) };
  }
  return { transactionId: id, tags: [...tags] };
}

function coarse(changes: readonly RowChange[], known: ReadonlyMap<string, CatalogueTable>): readonly string[] {
  return [...new Set(changes.flatMap((change) => tagsOf({ ...change, row: new Map() }, known)))];
}

/** In the agent's words (`tagsWritten`): an INSERT, or a row that does not say its key, may concern any row. */
function tagsOf({ table: name, action, row }: RowChange, known: ReadonlyMap<string, CatalogueTable>): readonly string[] {
  const table = name === null ? undefined : known.get(name);
  if (name === null || table === undefined) return ['*'];
  if (table.relatives.length > 0) return [name, ...table.relatives].flatMap((member) => [member, `${member}:*`]);
  const value = table.key === null || action === 'insert' ? undefined : row.get(table.key.column);
  if (table.key === null || value === undefined) return [name, `${name}:*`];
  return [name, `${name}:${table.key.column}=${table.key.type === 'uuid' ? value.replaceAll('-', '') : value}`];
}
