import { meanUs, quantileUs, type HistogramData } from '../stats/histogram.ts';
import type { LoadResult } from './load-result.ts';
import type { Workload } from './workload.ts';

export interface ThresholdResult {
  /** As written, e.g. `http_req_duration{name:GET /posts}`. */
  readonly metric: string;
  /** As written, e.g. `p(95)<500`. */
  readonly expression: string;
  /** In the metric's k6 unit (milliseconds, share, count, per second); null without a sample. */
  readonly value: number | null;
  readonly holds: boolean;
  /** Why it fails other than by its value; null otherwise. */
  readonly reason: string | null;
}

/**
 * k6's thresholds on a run. One whose metric has no sample fails and says so: k6 lets it pass (issue
 * 4283), and then a test that sent nothing is green.
 */
export function evaluateThresholds(thresholds: Workload['thresholds'], result: LoadResult): readonly ThresholdResult[] {
  return Object.entries(thresholds).flatMap(([metric, expressions]) =>
    expressions.map((expression) => evaluateThreshold(metric, expression, result)),
  );
}

/** Every error of syntax, and every step name that the workload does not have. */
export function thresholdProblems(thresholds: Workload['thresholds'], stepNames: readonly string[]): readonly string[] {
  return Object.entries(thresholds).flatMap(([metric, expressions]) => {
    const { base, step } = parseMetric(metric);
    const known = metrics[base];
    if (known === undefined) return [`threshold ${metric}: unknown metric; known are ${Object.keys(metrics).join(', ')}`];
    const problems: string[] = [];
    if (step !== null && !known.perStep) problems.push(`threshold ${metric}: ${base} is not told per step`);
    else if (step !== null && !stepNames.includes(step)) problems.push(`threshold ${metric}: no step is named "${step}"`);
    for (const expression of expressions) {
      const parsed = parseExpression(expression);
      if (parsed === null) problems.push(`threshold ${metric}: "${expression}" is not of the form p(95)<500`);
      else if (!known.aggregations.includes(parsed.aggregation)) {
        problems.push(`threshold ${metric}: ${base} has no ${parsed.aggregation}, only ${known.aggregations.join(', ')}`);
      }
    }
    return problems;
  });
}

const metrics: Readonly<Record<string, { readonly aggregations: readonly Aggregation[]; readonly perStep: boolean }>> = {
  http_req_duration: { aggregations: ['avg', 'min', 'med', 'max', 'p(N)'], perStep: true },
  http_req_failed: { aggregations: ['rate'], perStep: true },
  http_reqs: { aggregations: ['count', 'rate'], perStep: true },
  dropped_iterations: { aggregations: ['count'], perStep: false },
  checks: { aggregations: ['rate'], perStep: false },
};

type Aggregation = 'avg' | 'min' | 'med' | 'max' | 'p(N)' | 'rate' | 'count';

interface Expression {
  readonly aggregation: Aggregation;
  /** 0-1, of `p(N)`. */
  readonly quantile: number;
  readonly operator: keyof typeof operators;
  readonly bound: number;
}

const operators = {
  '<': (value: number, bound: number) => value < bound,
  '<=': (value: number, bound: number) => value <= bound,
  '>': (value: number, bound: number) => value > bound,
  '>=': (value: number, bound: number) => value >= bound,
  '==': (value: number, bound: number) => value === bound,
  '===': (value: number, bound: number) => value === bound,
  '!=': (value: number, bound: number) => value !== bound,
};

function parseMetric(metric: string): { readonly base: string; readonly step: string | null } {
  const groups = /^(?<base>[^{]+)\{name:(?<step>.+)\}$/.exec(metric)?.groups;
  return groups === undefined ? { base: metric, step: null } : { base: groups['base']!, step: groups['step']! };
}

/** Null when it is none. The grammar is k6's: aggregation, operator, number. */
function parseExpression(expression: string): Expression | null {
  const form =
    /^\s*(?:(?<aggregation>avg|min|med|max|rate|count)|p\(\s*(?<percentile>\d+(?:\.\d+)?)\s*\))\s*(?<operator><=|>=|<|>|===|==|!=)\s*(?<bound>-?\d+(?:\.\d+)?)\s*$/;
  const groups = form.exec(expression)?.groups;
  if (groups === undefined || Number(groups['percentile'] ?? 0) > 100) return null;
  return {
    aggregation: (groups['aggregation'] as Aggregation | undefined) ?? 'p(N)',
    quantile: Number(groups['percentile'] ?? 0) / 100,
    operator: groups['operator'] as keyof typeof operators,
    bound: Number(groups['bound']),
  };
}

function evaluateThreshold(metric: string, expression: string, result: LoadResult): ThresholdResult {
  const parsed = parseExpression(expression);
  const failure = (reason: string): ThresholdResult => ({ metric, expression, value: null, holds: false, reason });
  if (parsed === null) return failure('the expression cannot be read');
  const value = measuredValue(metric, parsed, result);
  if (value === null) return failure('the metric has no samples');
  return { metric, expression, value, holds: operators[parsed.operator](value, parsed.bound), reason: null };
}

/** Null without a sample. */
function measuredValue(metric: string, expression: Expression, result: LoadResult): number | null {
  const { base, step } = parseMetric(metric);
  const of = step === null ? result : result.steps.find((candidate) => candidate.name === step);
  if (of === undefined || of.requests === 0) return null;
  switch (base) {
    case 'http_req_duration':
      return durationMs(of.responseTimeUs, expression);
    case 'http_req_failed':
      return of.failedRequests / of.requests;
    case 'http_reqs':
      return expression.aggregation === 'count' ? of.requests : of.requests / (result.durationMs / 1000);
    case 'dropped_iterations':
      return result.droppedIterations;
    case 'checks':
      return result.checks === 0 ? null : 1 - result.failedChecks / result.checks;
    default:
      return null;
  }
}

function durationMs(histogram: HistogramData, { aggregation, quantile }: Expression): number | null {
  switch (aggregation) {
    case 'avg':
      return meanUs(histogram) / 1000;
    case 'min':
      return histogram.min / 1000;
    case 'med':
      return quantileUs(histogram, 0.5) / 1000;
    case 'max':
      return histogram.max / 1000;
    case 'p(N)':
      return quantileUs(histogram, quantile) / 1000;
    default:
      return null;
  }
}
