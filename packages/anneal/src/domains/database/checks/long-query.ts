import { milliseconds } from '../../../finding/wording.ts';
import { counted, defineCheck, type Complaint } from './check.ts';
import { minuteMs, sessionEvidence, sessionObject } from './session-words.ts';

/** Reverse proxies give up on an answer after a minute by default (nginx, proxy_read_timeout): then nobody reads it. */
const abandonedMs = minuteMs;
/** As for transactions: fifteen visits of autovacuum have removed nothing that died meanwhile. */
const harmfulMs = 15 * minuteMs;

export const longQuery = defineCheck({
  id: 'database/long-query',
  title: 'Statement that has been running for long',
  documentation: {
    what: 'A statement has been running for more than a minute.',
    why: 'A caller over HTTP has given up by then and the work is for nobody; a retry starts it again beside itself. From a quarter of an hour on it also keeps every vacuum from cleaning.',
    threshold:
      'A minute, after which reverse proxies give up by default (nginx proxy_read_timeout 60 s): a question, for it may be a job. A warning from fifteen minutes on, when fifteen rounds of autovacuum have cleaned nothing that died meanwhile. Waiting for a lock is not running: database/lock-wait tells that.',
    fix: 'Cancel it if nobody waits for it, and give the role that serves requests a statement_timeout shorter than its callers’ patience.',
    falsePositives: 'It is not a defect in jobs, reports and index builds that are meant to take that long.',
    sources: ['PostgreSQL manual 19.11 statement_timeout', 'nginx documentation, proxy_read_timeout'],
  },
  requires: ['postgres.sessions'],
  examine({ 'postgres.sessions': sessions }) {
    const running = sessions.filter(({ state, wait }) => state === 'active' && wait === null);
    const complaints = running
      .filter(({ statementMs }) => (statementMs ?? 0) >= abandonedMs)
      .map((session): Complaint => {
        const object = sessionObject(session);
        return {
          object,
          level: session.statementMs! >= harmfulMs ? 'warning' : 'note',
          message: `session ${object.name} has been running one statement for ${milliseconds(session.statementMs!)}`,
          usedShare: 0,
          evidence: [
            { label: 'running for', value: session.statementMs!, unit: 'ms', provenance: 'measured', source: 'pg_stat_activity' },
            ...sessionEvidence(session),
          ],
          costIfIgnored:
            'It goes on taking a processor, a connection and the place of others in the cache, perhaps for a caller that has left.',
          fix: {
            title: `Cancel the statement of session ${session.pid}, if nobody waits for it`,
            text: 'Cancelling leaves the session; its transaction fails and is rolled back. For what serves requests set a limit: ALTER ROLE ... SET statement_timeout.',
            up: `SELECT pg_cancel_backend(${session.pid});`,
          },
        };
      });
    return { complaints, otherwise: `${counted(running.length, 'statement')} running, none for a minute` };
  },
});
