import { milliseconds } from '../../../finding/wording.ts';
import { quoteIdentifier } from '../../../ports/index-sql.ts';
import { counted, defineCheck, type Complaint } from './check.ts';
import { minuteMs, sessionEvidence, sessionObject, terminate } from './session-words.ts';

export const idleInTransaction = defineCheck({
  id: 'database/idle-in-transaction',
  title: 'Transaction left open by a session that does nothing',
  documentation: {
    what: 'A session began a transaction and has not sent anything for a minute or more.',
    why: 'It keeps its locks, its connection and its snapshot: others wait for the rows it changed, and no vacuum removes what died since.',
    threshold:
      'A minute without a statement: autovacuum comes round once a minute (autovacuum_naptime), so from then on it holds up real work. An error where another session waits for it.',
    fix: 'End the session now; then find the code that awaits something else (a call to another service, a person) between BEGIN and COMMIT. idle_in_transaction_session_timeout ends the next one by itself.',
    falsePositives: 'It is not a defect in a session that a person holds open on purpose, with psql or a debugger.',
    sources: ['PostgreSQL manual 19.11 idle_in_transaction_session_timeout', 'PostgreSQL manual 24.1.2'],
  },
  requires: ['postgres.sessions', 'postgres.server'],
  examine({ 'postgres.sessions': sessions, 'postgres.server': { database } }) {
    const blockers = new Set(sessions.flatMap(({ wait }) => wait?.blockedBy ?? []));
    const idle = sessions.filter(({ state }) => state.startsWith('idle in transaction'));
    const complaints = idle
      .filter(({ stateMs }) => (stateMs ?? 0) >= minuteMs)
      .map((session): Complaint => {
        const object = sessionObject(session);
        return {
          object,
          level: blockers.has(session.pid) ? 'error' : 'warning',
          message: `session ${object.name} has sat in an open transaction for ${milliseconds(session.stateMs!)}${blockers.has(session.pid) ? ', and others wait for it' : ''}`,
          usedShare: 0,
          evidence: [
            { label: 'idle for', value: session.stateMs!, unit: 'ms', provenance: 'measured', source: 'pg_stat_activity' },
            ...sessionEvidence(session),
          ],
          costIfIgnored: 'Whoever wants its rows waits, and no vacuum removes what has died since it began.',
          fix: {
            title: `End session ${session.pid}, and such sessions after a minute`,
            text: 'The setting counts for new sessions of this database. The session’s own transaction is rolled back.',
            up: `${terminate(session.pid)}\nALTER DATABASE ${quoteIdentifier(database)} SET idle_in_transaction_session_timeout = '60s';`,
            down: `ALTER DATABASE ${quoteIdentifier(database)} RESET idle_in_transaction_session_timeout;`,
          },
        };
      });
    return { complaints, otherwise: `${counted(idle.length, 'session')} of ${sessions.length} idle in a transaction, none for a minute` };
  },
});
