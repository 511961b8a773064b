import { milliseconds } from '../../../finding/wording.ts';
import type { SessionObservation } from '../../../measurement/database-health.ts';
import { counted, defineCheck, measured, type Complaint } from './check.ts';
import { sessionEvidence, sessionObject, terminate } from './session-words.ts';

/** deadlock_timeout: after a second the server itself calls a wait worth looking into (manual, 19.12). */
const patienceMs = 1_000;

export const lockWait = defineCheck({
  id: 'database/lock-wait',
  title: 'Sessions that wait for a lock',
  documentation: {
    what: 'Sessions wait for a lock that one session, the root of the chain, has or is queueing for.',
    why: 'Everything behind it stands still and holds its own locks and connections meanwhile, until the pool is empty. Many waiting for one row is a hot row: a counter or a balance that every request updates.',
    threshold:
      'A wait of a second, which is deadlock_timeout, from where on the server itself looks into a wait (manual 19.12). An error when others wait behind those who wait, or three or more do: then it spreads.',
    fix: 'End the root if it idles; otherwise make it shorter: take the contended row last, split a counter into several rows, set lock_timeout for DDL.',
    falsePositives:
      'It is not a defect while a migration takes its lock for a moment, or in workers that queue up on purpose (then use SKIP LOCKED).',
    sources: [
      'PostgreSQL manual 13.3 Explicit Locking',
      'PostgreSQL manual 9.27.1 pg_blocking_pids',
      'PostgreSQL manual 19.12 Lock Management',
    ],
  },
  requires: ['postgres.sessions'],
  examine({ 'postgres.sessions': sessions }) {
    const byPid = new Map(sessions.map((session) => [session.pid, session]));
    const waiting = sessions.filter(({ wait }) => wait !== null && wait.waitedMs >= patienceMs);
    const byRoot = Map.groupBy(waiting, (session) => rootOf(session, byPid));
    return {
      complaints: [...byRoot].map(([root, waiters]) => complaint(root, byPid.get(root), waiters)),
      otherwise: `${counted(sessions.length, 'session')} looked at: none waits for a lock for a second`,
    };
  },
});

/** Blockers are followed to one that waits for nobody; a circle, which the server is about to break, ends where it began. */
function rootOf(session: SessionObservation, byPid: ReadonlyMap<number, SessionObservation>): number {
  const seen = new Set<number>([session.pid]);
  let root = session.wait!.blockedBy[0] ?? session.pid;
  while (!seen.has(root)) {
    seen.add(root);
    root = byPid.get(root)?.wait?.blockedBy[0] ?? root;
  }
  return root;
}

function complaint(root: number, blocker: SessionObservation | undefined, waiters: readonly SessionObservation[]): Complaint {
  const name = blocker === undefined ? `${root} (hidden, prepared or of another database)` : sessionObject(blocker).name;
  const longestMs = Math.max(...waiters.map(({ wait }) => wait!.waitedMs));
  const isChain = waiters.some(({ wait }) => !wait!.blockedBy.includes(root));
  const rowWaiters = waiters.filter(({ wait }) => wait!.lockType === 'transactionid' || wait!.lockType === 'tuple');
  const relations = [...new Set(waiters.flatMap(({ wait }) => wait!.relation ?? []))];
  const where = relations.length === 0 ? '' : ` of ${relations.join(', ')}`;
  const what = rowWaiters.length >= 2 ? `the same hot rows${where}` : rowWaiters.length === 1 ? `a row${where}` : `a lock${where}`;
  const verb = waiters.length === 1 ? 'waits' : 'wait';
  return {
    object: { type: 'session', name },
    level: isChain || waiters.length >= 3 ? 'error' : 'warning',
    message: `${counted(waiters.length, 'session')} ${verb} for ${what} that session ${name} has, the longest for ${milliseconds(longestMs)}`,
    usedShare: 0,
    evidence: [
      measured('sessions that wait', waiters.length, '1', 'pg_blocking_pids'),
      measured('longest wait', longestMs, 'ms', 'pg_locks'),
      measured(
        'modes waited for',
        [...new Set(waiters.map(({ wait }) => `${wait!.mode} on ${wait!.lockType}`))].join(', '),
        '',
        'pg_locks',
      ),
      ...(blocker === undefined ? [] : sessionEvidence(blocker)),
      ...waiters
        .slice(0, 3)
        .map((waiter) => measured(`session ${waiter.pid} wants to run`, waiter.statement ?? '', '', 'pg_stat_activity')),
    ],
    costIfIgnored: 'The queue grows by whoever needs it next, each holding a connection of the pool.',
    fix: {
      title: `Let go of what session ${root} holds`,
      text:
        rowWaiters.length >= 2
          ? 'All of them write one row: write it last in each transaction, split the counter over several rows, or append and sum up. Ending the session frees it for the moment.'
          : 'Ending the session rolls its transaction back and lets the others go on. For schema changes set lock_timeout, so that they give way instead of stopping everybody.',
      up: terminate(root),
    },
  };
}
