import type { Finding, Rule, Silence } from '../finding/finding.ts';
import type { Derivation, Probe } from '../measurement/measurement.ts';
import type { Capability } from '../measurement/observations.ts';
import type { PlanningContext, Remedy } from '../remedy/remedy.ts';
import type { Codemod } from '../source-change/codemod.ts';

export type DomainId = 'database' | 'api' | 'cache' | 'realtime' | 'feed' | 'ai' | 'queue' | 'infrastructure' | 'frontend';

/** A field of expertise: the same small room each time. */
export interface Domain {
  readonly id: DomainId;
  readonly title: string;
  readonly requires: readonly Capability[];
  readonly probes: readonly Probe[];
  /** Run in order after the window closes; a later one sees what an earlier one derived. */
  readonly derivations: readonly Derivation[];
  readonly rules: readonly Rule[];
  readonly remedies: readonly Remedy[];
  /** Writers of lasting forms into the source. */
  readonly codemods?: readonly Codemod[];
  readonly health?: Health;
  /**
   * Tries on a scratch copy what its rules can only propose in words. Findings come back with what was proven about their
   * proposals; those whose proposal did not stand the test are withdrawn, with the reason. Reads only.
   */
  readonly proveProposals?: (
    findings: readonly Finding[],
    context: PlanningContext,
  ) => Promise<{ readonly findings: readonly Finding[]; readonly withdrawn: readonly Silence[] }>;
}

/** What `anneal check` judges without a window of load: a state, and what was counted before anybody looked. */
export interface Health {
  readonly probes: readonly Probe[];
  readonly derivations: readonly Derivation[];
  readonly checks: readonly Rule[];
}

/** All rules of a domain, those that need a window and those that do not, each once. */
export function rulesOf(domain: Domain): readonly Rule[] {
  return [...new Set([...domain.rules, ...(domain.health?.checks ?? [])])];
}
