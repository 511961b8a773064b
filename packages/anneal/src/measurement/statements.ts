import type { StatementShape } from '../ports/sql-parser.ts';
import { printQuery } from '../ports/sql-print.ts';
import type { Query } from '../ports/sql-tree.ts';
import type { StatementObservation } from './observations.ts';

/**
 * What the application sent and what the server counted, joined by fingerprint. The server's figures
 * win for calls, time and rows, because they hold no network and no waiting in the client; the agent
 * knows where in the code and for which route. One fingerprint may be several entries on either side:
 * pg_stat_statements keeps one per user and per list length, applications write constants into texts.
 *
 * Most time first. Statements only one side knows stay, with what that side knows.
 */
export function joinStatements(
  agentStatements: readonly StatementObservation[],
  serverStatements: readonly StatementObservation[],
): readonly StatementObservation[] {
  const fromAgent = Map.groupBy(agentStatements, ({ id }) => id);
  const fromServer = Map.groupBy(serverStatements, ({ id }) => id);
  return [...new Set([...fromAgent.keys(), ...fromServer.keys()])]
    .map((id) => {
      const agent = fromAgent.get(id)?.reduce(add);
      const server = fromServer.get(id)?.reduce(add);
      if (agent === undefined || server === undefined) return (agent ?? server)!;
      // The agent's text has the application's own parameter numbers, which captured values refer to.
      const { text, locations, routes } = agent;
      const shape = agent.shape ?? server.shape;
      return {
        ...server,
        text,
        locations,
        routes,
        shape,
        kind: shape?.kind ?? server.kind,
        tables: agent.tables.length > 0 ? agent.tables : server.tables,
      };
    })
    .sort((a, b) => b.totalMs - a.totalMs);
}

function add(a: StatementObservation, b: StatementObservation): StatementObservation {
  const [more, less] = a.calls >= b.calls ? [a, b] : [b, a];
  return {
    ...more,
    shape: commonShape(more.shape ?? less.shape, less.shape),
    calls: a.calls + b.calls,
    totalMs: a.totalMs + b.totalMs,
    rows: a.rows + b.rows,
    sharedBlocksHit: a.sharedBlocksHit + b.sharedBlocksHit,
    sharedBlocksRead: a.sharedBlocksRead + b.sharedBlocksRead,
    tempBlocksWritten: a.tempBlocksWritten + b.tempBlocksWritten,
    walBytes: a.walBytes + b.walBytes,
    locations: distinct([...more.locations, ...less.locations], ({ file, line, column }) => `${file}:${line}:${column ?? ''}`),
    routes: distinct([...more.routes, ...less.routes], (route) => route),
  };
}

/** A constant that differs between two texts is somebody's value and no part of the statement. */
function commonShape(shape: StatementShape | null, other: StatementShape | null): StatementShape | null {
  if (shape === null || other === null) return shape;
  const predicates = shape.predicates.map((predicate, at) =>
    predicate.constant === (other.predicates[at]?.constant ?? null) ? predicate : { ...predicate, constant: null },
  );
  return { ...shape, predicates, query: commonQuery(shape.query, other.query) };
}

/** Texts that differ in more than values (`> 0` and `> 5`) share a fingerprint, and a rewrite of one is none of the other. */
function commonQuery(query: Query | null | undefined, other: Query | null | undefined): Query | null {
  if (query == null || other == null) return null;
  const print = (one: Query) => printQuery(one, { constants: 'masked' });
  return print(query) === print(other) ? query : null;
}

function distinct<Item>(items: readonly Item[], key: (item: Item) => string): readonly Item[] {
  return [...new Map(items.map((item) => [key(item), item] as const)).values()];
}
