import {
  defineRule,
  type Evidence,
  type Finding,
  type Level,
  type ObjectType,
  type Rule,
  type RuleDocumentation,
  type RuleId,
  type RuleOutcome,
} from '../../../finding/finding.ts';
import type { Capability, Observations } from '../../../measurement/observations.ts';
import { qualifiedName } from '../../../ports/index-sql.ts';

/** A check is a rule that needs no window of load: it judges a state, and what was counted since the statistics were reset. */
export interface Check<Needs extends Capability> {
  readonly id: RuleId;
  readonly title: string;
  readonly documentation: RuleDocumentation;
  readonly requires: readonly Needs[];
  readonly examine: (observations: Pick<Observations, Needs>) => Examination;
}

export interface Examination {
  readonly complaints: readonly Complaint[];
  /** What was looked at and found in order: the reason of the silence when there is no complaint. */
  readonly otherwise: string;
}

export interface Complaint {
  readonly object: { readonly type: ObjectType; readonly name: string };
  readonly level: Level;
  readonly message: string;
  /** How much of the limit, the file or the safety is used up, 0-1. */
  readonly usedShare: number;
  readonly evidence: readonly [Evidence, ...Evidence[]];
  readonly costIfIgnored: string;
  readonly fix: { readonly title: string; readonly text: string; readonly up: string | null; readonly down?: string };
}

/** One silence speaks for all that is in order: five thousand tables are no five thousand sentences. */
export function defineCheck<const Needs extends Capability>({ examine, ...check }: Check<Needs>): Rule {
  return defineRule({
    ...check,
    diagnose(observations): readonly RuleOutcome[] {
      const { complaints, otherwise } = examine(observations);
      return complaints.length === 0 ? [{ silent: { subject: 'the database', reason: otherwise } }] : complaints.map(toFinding);
    },
  });
}

function toFinding({
  object,
  level,
  message,
  usedShare,
  evidence,
  costIfIgnored,
  fix,
}: Complaint): Omit<Finding, 'ruleId' | 'fingerprint'> {
  const share = Math.min(Math.max(usedShare, 0), 1);
  return {
    level,
    message,
    subject: { kind: 'object', key: `${object.type} ${object.name}`, ...object },
    locations: [],
    impact: { resource: 'headroom', share, certainShare: share },
    evidence,
    costIfIgnored,
    proposal: { title: fix.title, text: fix.text, code: fix.up, ...(fix.down === undefined ? {} : { undo: fix.down }), expected: null },
  };
}

/** A number the server itself keeps. */
export function measured(label: string, value: number | string, unit: string, source: string): Evidence {
  return { label, value, unit, provenance: 'measured', source };
}

/** A number computed from statistics of a sample. */
export function estimated(label: string, value: number | string, unit: string, source: string): Evidence {
  return { label, value, unit, provenance: 'predicted', source };
}

export function table({ schema, name }: { readonly schema: string; readonly name: string }): Complaint['object'] {
  return { type: 'table', name: qualifiedName(schema, name) };
}

export function index({ schema, name }: { readonly schema: string; readonly name: string }): Complaint['object'] {
  return { type: 'index', name: qualifiedName(schema, name) };
}

/** One key for a table in maps: quoting keeps `"a.b".c` and `a."b.c"` apart. */
export function tableKey(schema: string, name: string): string {
  return qualifiedName(schema, name);
}

/** `3 tables`, `1 table`. */
export function counted(count: number, noun: string): string {
  const plural = noun.endsWith('x') ? `${noun}es` : `${noun}s`;
  return `${count.toLocaleString('en')} ${count === 1 ? noun : plural}`;
}

/** A name such as PostgreSQL would choose, cut to the 63 bytes a name may have (manual, 4.1.1). */
export function nameFor(parts: readonly string[], ending: string): string {
  const room = 63 - Buffer.byteLength(`_${ending}`);
  // A character cut in two comes out as replacement characters.
  const stem = Buffer.from(parts.join('_'))
    .subarray(0, room)
    .toString()
    .replace(/\uFFFD+$/, '');
  return `${stem}_${ending}`;
}
