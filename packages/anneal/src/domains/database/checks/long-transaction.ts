import { milliseconds } from '../../../finding/wording.ts';
import { counted, defineCheck, type Complaint } from './check.ts';
import { minuteMs, sessionEvidence, sessionObject, terminate } from './session-words.ts';

/** Autovacuum comes round once a minute: by then a busy table was visited a quarter of an hour long in vain. */
const longMs = 15 * minuteMs;
/** One statement that has run for most of it is database/long-query's. */
const oneStatementShare = 0.9;

export const longTransaction = defineCheck({
  id: 'database/long-transaction',
  title: 'Transaction open for a long time',
  documentation: {
    what: 'A transaction of many statements has been open for a quarter of an hour or longer.',
    why: 'While it is open no vacuum removes a row that died since it began, in any table, and its row locks stay.',
    threshold:
      'Fifteen minutes: autovacuum comes round once a minute, so fifteen of its visits to every busy table have removed nothing that died meanwhile.',
    fix: 'Commit in portions. A report that must see one moment reads from a replica or a snapshot of its own.',
    falsePositives: 'It is not a defect in a dump or a migration that runs once and is expected to.',
    sources: ['PostgreSQL manual 24.1.2 Recovering Disk Space', 'PostgreSQL manual 27.2.3 pg_stat_activity'],
  },
  requires: ['postgres.sessions'],
  examine({ 'postgres.sessions': sessions }) {
    const open = sessions.filter(({ transactionMs, state }) => transactionMs !== null && !state.startsWith('idle in transaction'));
    const complaints = open
      .filter(({ transactionMs, statementMs }) => transactionMs! >= longMs && (statementMs ?? 0) < oneStatementShare * transactionMs!)
      .map((session): Complaint => {
        const object = sessionObject(session);
        const [first, ...rest] = sessionEvidence(session);
        return {
          object,
          level: 'warning',
          message: `session ${object.name} has had its transaction open for ${milliseconds(session.transactionMs!)}`,
          usedShare: 0,
          evidence: [first!, ...rest],
          costIfIgnored: 'No vacuum removes what died since it began, in any table: they grow as long as it lasts.',
          fix: {
            title: `Let session ${session.pid} commit in portions`,
            text: 'Ending it now rolls back all it did. Change the job so that each portion is a transaction.',
            up: terminate(session.pid),
          },
        };
      });
    return {
      complaints,
      otherwise: `${counted(open.length, 'open transaction')}: none of several statements is older than a quarter of an hour`,
    };
  },
});
