import { milliseconds } from '../../../finding/wording.ts';
import { quoteLiteral } from '../../../ports/index-sql.ts';
import { counted, defineCheck, measured } from './check.ts';
import { minuteMs } from './session-words.ts';

export const preparedTransaction = defineCheck({
  id: 'database/prepared-transaction',
  title: 'Prepared transaction that nobody finished',
  documentation: {
    what: 'A transaction was prepared for two-phase commit and neither committed nor rolled back since.',
    why: 'It holds its locks and its snapshot with no session behind it, over restarts, for ever: rows stay locked, vacuum cleans nothing younger, and in the end transaction ids run out.',
    threshold:
      'A minute: a transaction manager finishes the second phase at once, and autovacuum comes round once a minute. An error from a quarter of an hour on: no manager retries that late without being told.',
    fix: 'Ask the transaction manager which way it went, then COMMIT PREPARED or ROLLBACK PREPARED.',
    falsePositives: 'It is not a defect while the transaction manager is restarting and will finish it by itself.',
    sources: ['PostgreSQL manual, PREPARE TRANSACTION, Notes'],
  },
  requires: ['postgres.prepared-transactions'],
  examine({ 'postgres.prepared-transactions': prepared }) {
    const complaints = prepared
      .filter(({ ageMs }) => ageMs >= minuteMs)
      .map(({ id, owner, ageMs }) => ({
        object: { type: 'prepared transaction' as const, name: id },
        level: ageMs >= 15 * minuteMs ? ('error' as const) : ('warning' as const),
        message: `the prepared transaction ${id} of ${owner} has been open for ${milliseconds(ageMs)}`,
        usedShare: 0,
        evidence: [measured('age', ageMs, 'ms', 'pg_prepared_xacts'), measured('owner', owner, '', 'pg_prepared_xacts')] as const,
        costIfIgnored: 'Its locks and its snapshot stay over every restart: vacuum cleans nothing that died since.',
        fix: {
          title: `Finish ${id}`,
          text: 'Whether to commit or to roll back is for the transaction manager’s log to say. What is rolled back is gone.',
          up: `ROLLBACK PREPARED ${quoteLiteral(id)}; -- or COMMIT PREPARED`,
        },
      }));
    return { complaints, otherwise: `${counted(prepared.length, 'prepared transaction')}, none older than a minute` };
  },
});
