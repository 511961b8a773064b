import { batchedText, batchPrefix, templateHash, textHash, type BatchForm } from '@anneal/agent/protocol';
import type { Measurement } from '../../../measurement/measurement.ts';
import type { StatementObservation } from '../../../measurement/observations.ts';
import type { PlanningContext } from '../../../remedy/remedy.ts';
import { whyOutOfReach } from '../../../remedy/driver-within-reach.ts';
import { callSitesOf, type CallSite } from '../call-sites.ts';
import { readCatalogueFacts, isReadOnly, whyNotBatchable } from './catalogue-facts.ts';
import { namesUsed } from './names-used.ts';
import { describeParameters, proveBatch } from './prove-batch.ts';

/** What the agent has to know to batch a statement, and how it was proven. Holds no text. */
export interface Batchable extends BatchForm {
  readonly textHash: string;
  readonly isOrdered: boolean;
  readonly parent: string | null;
  readonly readOnly: readonly string[];
  /** Fingerprint of the batch, as the server will count it. */
  readonly batchedStatementId: string | null;
  readonly proof: { readonly parameterSets: number; readonly rows: number };
}

interface Refused {
  readonly refused: string;
}

/** Call sites of a statement that loop over data. */
export function loopsOf(statementId: string, measurement: Measurement): readonly CallSite[] {
  return callSitesOf(measurement.observations['agent.routes'] ?? []).filter((site) => site.statementId === statementId);
}

/** Whether many calls of a statement may be one, and everything that one needs; or why not, as a sentence. */
export async function examineBatch(statement: StatementObservation, context: PlanningContext): Promise<Batchable | Refused> {
  const { sql, sqlParser, samples, measurement } = context;
  const outOfReach = whyOutOfReach(measurement);
  if (outOfReach !== null) return { refused: outOfReach };
  if (statement.kind === 'other') return { refused: 'it is no SELECT' };
  if (statement.kind !== 'select') return { refused: 'it writes, and writes keep their order' };
  if (sql === null) return { refused: 'there is no database to try it on' };
  const [text, sets] = mostSeen(samples.get(statement.id) ?? []);
  if (text === null) return { refused: 'nobody saw the statement as it is sent' };
  if (text.includes(batchPrefix)) return { refused: `it uses names that begin with ${batchPrefix}` };
  if (sets.some((set) => set.some((value) => typeof value === 'object' && value !== null))) return { refused: 'a parameter is a list' };
  const query = sqlParser.shape(text)?.query ?? null;
  const parametersAt = sqlParser.parametersAt(text);
  if (query === null || parametersAt === null) return { refused: 'it holds syntax that is not understood here' };
  if (parametersAt.length === 0) return { refused: 'it has no parameters' };
  const observed = sampledQueries(context);
  const facts = await readCatalogueFacts(sql, [namesUsed(query), ...observed.map(({ used }) => used)]);
  const reason = whyNotBatchable(namesUsed(query), facts);
  if (reason !== null) return { refused: reason };
  const parameterTypes = await describeParameters(sql, text);
  if ('refused' in parameterTypes) return parameterTypes;
  const form: BatchForm = { parametersAt, parameterTypes, hasOffset: query.offset !== null };
  const proof = await proveBatch(sql, text, form, sets);
  if ('refused' in proof) return proof;
  const parent = parentOf(statement.id, measurement, samples);
  const overlaps = loopsOf(statement.id, measurement).some((site) => site.overlappingCalls > 0);
  if (parent === null && !overlaps)
    return { refused: 'its calls follow each other, and no earlier result was seen to hold their parameters' };
  return {
    ...form,
    textHash: textHash(text),
    isOrdered: query.orderBy.length > 0,
    parent: parent === null ? null : templateHash(parent),
    readOnly: [...new Set(observed.filter(({ used }) => isReadOnly(used, facts)).map((one) => templateHash(one.text)))].toSorted(),
    batchedStatementId: sqlParser.fingerprint(batchedText(text, form)),
    proof,
  };
}

type Samples = readonly { readonly text: string; readonly values: readonly unknown[] | null }[];

/** One text is batched, to the letter: that which was seen most, with the parameters seen with it. */
function mostSeen(samples: Samples): readonly [string | null, readonly (readonly unknown[])[]] {
  const byText = [...Map.groupBy(samples, ({ text }) => text)].toSorted(([, one], [, other]) => other.length - one.length);
  const [text, seen] = byText[0] ?? [null, []];
  return [text, seen.flatMap(({ values }) => (values === null ? [] : [values]))];
}

/** Every SELECT of the application that is understood whole, each text once. */
function sampledQueries({ samples, sqlParser }: PlanningContext) {
  const texts = new Set([...samples.values()].flatMap((all) => all.map(({ text }) => text)));
  return [...texts].flatMap((text) => {
    const query = sqlParser.shape(text)?.query ?? null;
    return query === null ? [] : [{ text, used: namesUsed(query) }];
  });
}

/** A text of the statement whose rows hold the parameters, of the loop that makes most calls. */
function parentOf(statementId: string, measurement: Measurement, samples: PlanningContext['samples']): string | null {
  const loops = loopsOf(statementId, measurement).toSorted((one, other) => other.repeatingCalls - one.repeatingCalls);
  const parent = loops.find(({ parentStatementId }) => parentStatementId !== null)?.parentStatementId ?? null;
  return parent === null ? null : (samples.get(parent)?.[0]?.text ?? null);
}
