import type { Evidence } from '../../../finding/finding.ts';
import type { SessionObservation } from '../../../measurement/database-health.ts';
import { shorten } from '../../../finding/subject.ts';
import { measured, type Complaint } from './check.ts';

export const minuteMs = 60_000;

/** Who it is, so that a person can find the code: the process id alone is gone with the session. */
export function sessionObject({ pid, user, application }: SessionObservation): Complaint['object'] {
  return { type: 'session', name: `${pid} (${[user, application].filter((word) => word !== '').join(', ')})` };
}

export function sessionEvidence(session: SessionObservation): readonly Evidence[] {
  return [
    measured('state', session.state, '', 'pg_stat_activity'),
    ...(session.statement === null ? [] : [measured('last statement', shorten(session.statement), '', 'pg_stat_activity')]),
    ...(session.transactionMs === null ? [] : [measured('transaction open for', session.transactionMs, 'ms', 'pg_stat_activity')]),
  ];
}

/** pg_terminate_backend ends the session, whose transaction rolls back; there is nothing to take back. */
export function terminate(pid: number): string {
  return `SELECT pg_terminate_backend(${pid});`;
}
