import { createHash } from 'node:crypto';
import type { Measurement } from '../measurement/measurement.ts';
import type { Capability, CodeLocation, Observations } from '../measurement/observations.ts';
import type { DiagnoseSettings, Evidence, Finding, Rule, RuleId, Silence, Subject } from './finding.ts';
import { rank } from './rank.ts';
import { subjectName } from './subject.ts';

export interface Diagnosis {
  /** Most costly first (see `finding/rank.ts`). */
  readonly findings: readonly Finding[];
  readonly silences: readonly Silence[];
}

/**
 * Runs every rule over one measurement. A rule whose data is missing is silent and says which;
 * outcomes about one subject become one finding; a finding that another one explains (its rule
 * `yieldsTo` the other's) becomes a silence naming the cause. Pure.
 */
export function diagnose(rules: readonly Rule[], measurement: Measurement, settings: DiagnoseSettings): Diagnosis {
  const { observations } = measurement;
  const silences: Silence[] = [];
  const findings: Finding[] = [];
  for (const rule of rules) {
    const missing = rule.requires.filter((capability) => observations[capability] === undefined);
    silences.push(...missing.map((capability) => noData(rule.id, capability, measurement)));
    if (missing.length > 0) continue;
    for (const outcome of rule.diagnose(observations as Pick<Observations, Capability>, settings)) {
      if ('silent' in outcome) silences.push({ ruleId: rule.id, ...outcome.silent });
      else findings.push({ ...outcome, ruleId: rule.id, fingerprint: fingerprint(rule.id, outcome.subject) });
    }
  }
  const merged = mergeEqualSubjects(findings);
  const explanation = explainer(rules, merged, observations);
  const causes: Finding[] = [];
  for (const finding of merged) {
    const cause = explanation(finding);
    if (cause === null) causes.push(finding);
    else
      silences.push({
        ruleId: finding.ruleId,
        subject: subjectName(finding.subject),
        reason: `explained by ${cause.ruleId}: ${cause.message}`,
      });
  }
  return { findings: rank(causes, observations), silences };
}

function noData(ruleId: RuleId, capability: Capability, measurement: Measurement): Silence {
  const gap = measurement.gaps.find((gap) => gap.capability === capability);
  return { ruleId, subject: capability, reason: `no data: ${capability}: ${gap?.reason ?? 'no probe read it'}` };
}

/** Sixteen hexadecimal digits of SHA-256: one collision in a million reports of a thousand findings each is not to be expected. */
function fingerprint(ruleId: RuleId, subject: Subject): string {
  return createHash('sha256')
    .update(JSON.stringify([ruleId, subject.kind, subject.key]))
    .digest('hex')
    .slice(0, 16);
}

/**
 * Two outcomes of one rule about one subject see the same spending from two sides, so the shares
 * are not added: the larger one speaks, and takes the other's locations and evidence along.
 */
function mergeEqualSubjects(findings: readonly Finding[]): readonly Finding[] {
  const byFingerprint = new Map<string, Finding>();
  for (const finding of findings) {
    const other = byFingerprint.get(finding.fingerprint);
    byFingerprint.set(finding.fingerprint, other === undefined ? finding : merge(other, finding));
  }
  return [...byFingerprint.values()];
}

function merge(one: Finding, other: Finding): Finding {
  const [first, second] = other.impact.certainShare > one.impact.certainShare ? [other, one] : [one, other];
  const [head, ...rest] = first.evidence;
  return {
    ...first,
    locations: unique<CodeLocation>([...first.locations, ...second.locations]),
    evidence: [head, ...unique<Evidence>([...rest, ...second.evidence]).filter((item) => !equal(item, head))],
  };
}

function unique<T>(items: readonly T[]): T[] {
  return items.filter((item, index) => items.findIndex((other) => equal(item, other)) === index);
}

function equal(left: unknown, right: unknown): boolean {
  return JSON.stringify(left) === JSON.stringify(right);
}

/**
 * The finding at the root of another one, or null. Followed to the end of the chain, so that what is
 * named as the cause is itself reported.
 */
function explainer(rules: readonly Rule[], findings: readonly Finding[], observations: Partial<Observations>) {
  const yieldsTo = new Map(rules.map((rule) => [rule.id, rule.yieldsTo ?? []]));
  const routesOf = routesByStatement(observations);
  const directCause = (finding: Finding, seen: ReadonlySet<Finding>) =>
    findings.find(
      (other) => !seen.has(other) && yieldsTo.get(finding.ruleId)?.includes(other.ruleId) === true && isSamePlace(finding, other, routesOf),
    );
  return (finding: Finding): Finding | null => {
    const seen = new Set([finding]);
    let cause = directCause(finding, seen);
    let root: Finding | null = null;
    while (cause !== undefined) {
      root = cause;
      seen.add(cause);
      cause = directCause(cause, seen);
    }
    return root;
  };
}

function isSamePlace(left: Finding, right: Finding, routesOf: (finding: Finding) => readonly string[]): boolean {
  if (left.subject.kind === 'function' && right.subject.kind === 'function') return left.subject.key === right.subject.key;
  const [leftStatement, rightStatement] = [statementOf(left), statementOf(right)];
  if (leftStatement !== null && rightStatement !== null) return leftStatement === rightStatement;
  const rightRoutes = routesOf(right);
  return routesOf(left).some((route) => rightRoutes.includes(route));
}

function statementOf({ subject }: Finding): string | null {
  return subject.kind === 'statement' || subject.kind === 'route' ? subject.statementId : null;
}

function routesByStatement(observations: Partial<Observations>): (finding: Finding) => readonly string[] {
  return ({ subject }) => {
    if (subject.kind === 'route') return [subject.route];
    if (subject.kind !== 'statement') return [];
    return (observations['agent.routes'] ?? [])
      .filter((route) => route.statements.some(({ statementId }) => statementId === subject.statementId))
      .map((route) => `${route.method} ${route.route}`);
  };
}
