import { percent } from '../../../finding/wording.ts';
import { defineCheck, measured } from './check.ts';

/** A rolling deployment starts a quarter more processes before the old ones end (Kubernetes, maxSurge 25 %): 0.8 × 1.25 = 1. */
const warningShare = 0.8;
/** One more process with a pool of ten ends it on a server of a hundred or two. */
const errorShare = 0.95;

export const connectionsNearLimit = defineCheck({
  id: 'database/connections-near-limit',
  title: 'Connections nearly used up',
  documentation: {
    what: 'Most of the connections the server allows are open.',
    why: 'With the last one every new session is refused, the monitoring’s included; and each open one takes memory and makes every snapshot dearer.',
    threshold:
      'Open connections against max_connections less the reserved ones: a warning at 80 %, because a rolling deployment runs a quarter more processes for a while (Kubernetes maxSurge 25 %) and 0.8 × 1.25 is all there is; an error at 95 %.',
    fix: 'Smaller pools, or a pooler in front (PgBouncer in transaction mode). Raising max_connections takes a restart and memory and only moves the limit.',
    falsePositives: 'It is not a defect where one pool of fixed size, with nothing deployed beside it, holds them all on purpose.',
    sources: ['PostgreSQL manual 19.3.1 max_connections', 'Kubernetes documentation, Deployment: maxSurge'],
  },
  requires: ['postgres.activity', 'postgres.configuration'],
  examine({ 'postgres.activity': { sessions }, 'postgres.configuration': settings }) {
    const limit = settings['max_connections']?.value ?? 100;
    const reserved = (settings['superuser_reserved_connections']?.value ?? 3) + (settings['reserved_connections']?.value ?? 0);
    const usable = limit - reserved;
    const share = sessions / usable;
    const otherwise = `${sessions} of ${usable} connections are open`;
    if (share < warningShare) return { complaints: [], otherwise };
    return {
      complaints: [
        {
          object: { type: 'setting', name: 'max_connections' },
          level: share >= errorShare ? 'error' : 'warning',
          message: `${sessions} of ${usable} usable connections are open (${percent(share)})`,
          usedShare: share,
          evidence: [
            measured('connections open', sessions, '1', 'pg_stat_database'),
            measured('max_connections', limit, '1', 'pg_settings'),
            measured('reserved', reserved, '1', 'pg_settings'),
          ],
          costIfIgnored: `${Math.max(usable - sessions, 0)} more and new sessions are refused.`,
          fix: {
            title: 'Fewer connections',
            text:
              'Add up the pools of all processes: a pool needs as many connections as statements run at once, which is rarely more than a few for each processor of the server. ' +
              'Where many processes connect, put a pooler between.',
            up: null,
          },
        },
      ],
      otherwise,
    };
  },
});
