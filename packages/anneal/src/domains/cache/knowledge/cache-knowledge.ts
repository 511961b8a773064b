import { sqlTemplate } from '@anneal/agent/protocol';
import type { StatementSample } from '../../../ports/planner.ts';
import type { SqlParser } from '../../../ports/sql-parser.ts';
import type { Sql } from '../../../ports/sql.ts';
import { readFunctions, readTables } from './read-catalogue.ts';
import { statementKnowledge, type StatementKnowledge } from './statement-knowledge.ts';

/** What the agent has to know of every statement it was seen to send, in the words the agent knows them by. */
export async function cacheKnowledge(
  sql: Sql,
  parser: SqlParser,
  samples: ReadonlyMap<string, readonly StatementSample[]>,
): Promise<readonly StatementKnowledge[]> {
  const texts = new Map([...samples.values()].flat().map(({ text }) => [sqlTemplate(text).text, text]));
  const tables = await readTables(sql);
  const definitions = tables.flatMap(({ definition }) => (definition === null ? [] : [definition]));
  const called = [...texts.values(), ...definitions].flatMap((text) => parser.dependencies(text)?.functions ?? []);
  const functions = await readFunctions(sql, new Set(called.map(({ name }) => name)));
  return [...texts].flatMap(([template, text]) => statementKnowledge(template, text, parser, { tables, functions }) ?? []);
}
