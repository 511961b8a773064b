import type { Gap, Probe, ProbeContext, ProbeReading } from '../../../measurement/measurement.ts';
import type { Capability, Observations } from '../../../measurement/observations.ts';
import type { Sql } from '../../../ports/sql.ts';

/**
 * Marks a statement as Anneal's own, so that it is not counted as the target's. It stands behind the
 * first word: pg_stat_statements drops a comment in front of a statement and keeps one inside.
 */
export function own(text: string): string {
  return text.trim().replace(/^\w+/, (word) => `${word} ${ownMark}`);
}

export const ownMark = '/* anneal */';

type Close = () => Promise<Pick<ProbeReading, 'observations'> & { readonly gaps?: readonly Gap[] }>;

/** A probe of the target's database. What it throws becomes a gap with the message as its reason. */
export function databaseProbe(
  id: string,
  provides: readonly Capability[],
  open: (sql: Sql, context: ProbeContext) => Promise<Close>,
): Probe {
  return {
    id,
    provides,
    async open(context) {
      const { sql } = context;
      if (sql === null) {
        const gaps = provides.map((capability) => ({ capability, reason: 'the target has no database' }));
        return { close: async () => ({ observations: {}, gaps }) };
      }
      const close = await open(sql, context);
      return {
        async close() {
          const { observations, gaps = [] } = await close();
          return { observations, gaps };
        },
      };
    },
  };
}

/** A probe of what does not count up: it is read once, when the window closes. */
export function snapshotProbe<Name extends Capability>(
  id: string,
  capability: Name,
  read: (sql: Sql) => Promise<Observations[Name]>,
): Probe {
  return databaseProbe(id, [capability], async (sql) => async () => ({ observations: { [capability]: await read(sql) } }));
}

/** Counters never fall but when somebody resets them; what they show then was counted since, inside the window. */
export function counted(before: number | undefined, after: number): number {
  return before === undefined || after < before ? after : after - before;
}
