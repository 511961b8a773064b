import type { MysqlPlanStep, MysqlStatementObservation, MysqlTableObservation } from '../../../measurement/mysql-observations.ts';
import type { Observations } from '../../../measurement/observations.ts';
import { candidateFor, type Candidate } from './index-candidate.ts';

export const accessNeeds = ['mysql.server', 'mysql.tables', 'mysql.columns', 'mysql.indexes', 'mysql.statements', 'mysql.plans'] as const;
export type AccessObservations = Pick<Observations, (typeof accessNeeds)[number]>;

/**
 * What a row found through an index costs, in rows read one after another. MySQL's cost model ("The Optimizer Cost Model") counts
 * 0.1 for judging a row and 1 for a page from disk: a scan judges the rows of a page for one page, a lookup may fetch a
 * page for each row. So at the worst (0.1 + 1) / 0.1.
 */
export const lookupFactor = 11;
/** A table this small costs no more to read whole than to find one's way in. */
const smallPages = 10;

/** A statement that reads many rows to give few, and the step of its plan that reads most of them. */
export interface WastefulStatement {
  readonly statement: MysqlStatementObservation;
  readonly examinedPerCall: number;
  readonly keptPerCall: number;
  /** Rows given are rows kept: neither summarised nor, after a sort, cut by a LIMIT. */
  readonly isKeptKnown: boolean;
  readonly step: MysqlPlanStep;
  readonly table: MysqlTableObservation;
  /** Of the rows the statement examines, those the step reads, 0-1. */
  readonly stepShare: number;
  readonly candidate: Candidate;
}

export type AccessJudgement = WastefulStatement | { readonly statement: MysqlStatementObservation; readonly fine: string };

export function judgeAccess(statement: MysqlStatementObservation, observations: AccessObservations): AccessJudgement {
  const { calls, rowsExamined, rowsSent, rowsAffected, shape } = statement;
  const fine = (reason: string): AccessJudgement => ({ statement, fine: reason });
  const examinedPerCall = rowsExamined / calls;
  const keptPerCall = (statement.kind === 'select' ? rowsSent : rowsAffected) / calls;
  if (statement.kind === 'other') return fine('it is neither a SELECT nor an UPDATE or DELETE');
  if (examinedPerCall <= lookupFactor * Math.max(keptPerCall, 1)) {
    return fine('it examines too few rows for each one it gives for another way to be cheaper');
  }
  const plan = observations['mysql.plans'][statement.id];
  if (shape === null) return fine('its digest cannot be read: a union, a common table expression, or cut off at max_digest_length');
  if (plan === undefined) return fine('it could not be explained');
  const steps = plan.map((step, place) => {
    const use = shape.tables.find(({ alias }) => alias.toLowerCase() === step.alias.toLowerCase());
    return { step, place, table: observations['mysql.tables'].find(({ name }) => name === use?.table) };
  });
  const widest = steps.toSorted((one, other) => other.step.rows - one.step.rows)[0];
  if (widest?.table === undefined) return fine('what it reads most of is no table of this database');
  const { step, table, place } = widest;
  if (table.dataBytes <= smallPages * observations['mysql.server'].pageBytes) {
    return fine(`${table.name} fits ${smallPages} pages, which are read whole as fast`);
  }
  const candidate = candidateFor(
    shape,
    step,
    plan.slice(0, place).map(({ alias }) => alias),
    { table, columns: observations['mysql.columns'], indexes: observations['mysql.indexes'] },
  );
  const sortsFirst = shape.hasLimit && shape.order?.length !== 0 && !('sorts' in candidate && candidate.sorts);
  return {
    statement,
    examinedPerCall,
    keptPerCall,
    isKeptKnown: !shape.summarises && !sortsFirst,
    step,
    table,
    stepShare: Math.min(step.rows / examinedPerCall, 1),
    candidate,
  };
}
