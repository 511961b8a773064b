import type { Finding, Silence } from '../finding/finding.ts';
import type { Gap } from '../measurement/measurement.ts';

/** What a health check found, as JSON: the form `anneal check --json` prints. */
export interface HealthReport {
  readonly schemaVersion: '1.0.0';
  /** ISO 8601. */
  readonly takenAt: string;
  readonly durationMs: number;
  /** Where it is, without a password, and what it runs: `PostgreSQL 18.4`. */
  readonly database: { readonly label: string; readonly version: string };
  /** Errors first, then warnings, then notes; within a level what is most used up. */
  readonly findings: readonly Finding[];
  readonly silences: readonly Silence[];
  readonly gaps: readonly Gap[];
}
