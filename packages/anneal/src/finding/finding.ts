import type { CodeLocation, Capability, Observations } from '../measurement/observations.ts';
import type { Estimate, Provenance } from '../stats/estimate.ts';

/** `error` needs action, `warning` is worth it, `note` is a question only a trial can answer. SARIF's words. */
export type Level = 'error' | 'warning' | 'note';

export type RuleId = `${string}/${string}`;

export interface Finding {
  readonly ruleId: RuleId;
  /** Stable over runs: a hash of rule and subject. */
  readonly fingerprint: string;
  readonly level: Level;
  /** One sentence with the numbers in it. */
  readonly message: string;
  readonly subject: Subject;
  /** Empty only when no source could name a line. */
  readonly locations: readonly CodeLocation[];
  readonly impact: Impact;
  readonly evidence: readonly [Evidence, ...Evidence[]];
  /** What stays if nobody acts, in a sentence. */
  readonly costIfIgnored: string;
  /** What to write, for a person; the automatic remedy, where there is one, does the same. */
  readonly proposal: Proposal;
}

/** What the finding is about. `key` makes it unique within its kind. */
export type Subject =
  | {
      readonly kind: 'statement';
      readonly key: string;
      readonly statementId: string;
      readonly text: string;
      readonly tables: readonly string[];
      readonly columns: readonly string[];
    }
  | { readonly kind: 'route'; readonly key: string; readonly route: string; readonly statementId: string | null }
  | { readonly kind: 'function'; readonly key: string }
  | { readonly kind: 'pool'; readonly key: string; readonly pool: string }
  | { readonly kind: 'object'; readonly key: string; readonly type: ObjectType; readonly name: string };

/** What a database is made of or served by. A session's name is its process id. */
export type ObjectType = 'table' | 'index' | 'sequence' | 'setting' | 'session' | 'database' | 'replication slot' | 'prepared transaction';

export interface Impact {
  /**
   * What is being spent. `response-bytes` are all that is answered, which the clients' networks pay for. `headroom` is no
   * spending of requests: how much of a limit, a file or a safety is used up.
   */
  readonly resource: 'request-time' | 'database-time' | 'cpu-time' | 'pool-wait' | 'response-bytes' | 'headroom';
  /** Share of the whole workload's spending of that resource, 0-1: findings are ranked by it. */
  readonly share: number;
  /** What of that share is certain given how few times it was seen (see `finding/evidence-rate.ts`). */
  readonly certainShare: number;
}

export interface Evidence {
  /** What was looked at, e.g. "rows discarded by the scan". */
  readonly label: string;
  readonly value: number | string;
  /** UCUM unit, `1` for counts; empty for text. */
  readonly unit: string;
  readonly provenance: Provenance;
  /** Where the number comes from: `pg_stat_statements`, `EXPLAIN`, `agent`. */
  readonly source: string;
}

export interface Proposal {
  readonly title: string;
  /** Sentences: what to write and why. */
  readonly text: string;
  /** SQL or code to write, when it can be said exactly. */
  readonly code: string | null;
  /** What takes `code` back; absent where nothing needs to or can. */
  readonly undo?: string;
  /** The lasting form as a unified diff of the source, where a codemod could write it. */
  readonly patch?: { readonly title: string; readonly diff: string };
  /** Expected change of `impact.resource`, or null where nothing supports a number. */
  readonly expected: Estimate | null;
}

/** Why a rule that looked at something said nothing about it. */
export interface Silence {
  readonly ruleId: RuleId;
  readonly subject: string;
  readonly reason: string;
}

export type RuleOutcome =
  | Omit<Finding, 'ruleId' | 'fingerprint'>
  | { readonly silent: { readonly subject: string; readonly reason: string } };

export interface DiagnoseSettings {
  /** Below this share of the workload's time nothing is reported. Default 0.01. */
  readonly minimumShare: number;
}

/** What a rule's page says, a few sentences each (docs/reference/rules/). */
export interface RuleDocumentation {
  readonly what: string;
  readonly why: string;
  /** From where on it speaks, and the reason for just that. */
  readonly threshold: string;
  readonly fix: string;
  /** When it is not a defect. */
  readonly falsePositives: string;
  /** Manuals, papers and measurements it rests on. */
  readonly sources: readonly string[];
}

/** A pure function from observations to findings or reasoned silences. */
export interface Rule<Needs extends Capability = Capability> {
  readonly id: RuleId;
  readonly title: string;
  /** Two or three sentences for the rule's page: what, why it hurts, when it is not a defect. */
  readonly description: string;
  readonly documentation?: RuleDocumentation;
  readonly requires: readonly Needs[];
  /** When one of these found the same statement or route, this rule's finding is its symptom and is dropped. */
  readonly yieldsTo?: readonly RuleId[];
  diagnose(observations: Pick<Observations, Needs>, settings: DiagnoseSettings): readonly RuleOutcome[];
}

/** A rule as it is written: documentation stands in for the description, which is made of it. */
export type RuleSource<Needs extends Capability> = Omit<Rule<Needs>, 'description'> &
  ({ readonly description: string } | { readonly documentation: RuleDocumentation });

/** Keeps the rule's own capability types inside and hides them outside, so that lists of rules are plain. */
export function defineRule<const Needs extends Capability>(rule: RuleSource<Needs>): Rule {
  if ('description' in rule) return rule;
  const { what, why, falsePositives } = rule.documentation;
  return { ...rule, description: `${what} ${why} ${falsePositives}` };
}
