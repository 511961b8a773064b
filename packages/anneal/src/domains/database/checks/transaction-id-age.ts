import { percent, quantity } from '../../../finding/wording.ts';
import type { SettingObservation } from '../../../measurement/database-health.ts';
import { qualifiedName } from '../../../ports/index-sql.ts';
import { counted, defineCheck, measured, table, type Complaint } from './check.ts';

/** Transaction ids compare modulo 2^32: beyond 2^31 the past becomes the future, and the server stops before it. */
const horizon = 2 ** 31;
/** At its freeze age a table is vacuumed by force; at twice that age the forced vacuum has failed or never come. */
const overdueFactor = 2;

export const transactionIdAge = defineCheck({
  id: 'database/transaction-id-age',
  title: 'Transaction ids nearing their end',
  documentation: {
    what: 'A database still holds row versions from so long ago that transaction ids, or multixact ids, come near to wrapping around.',
    why: 'Before that happens the server refuses every write to protect the data, and the vacuum that ends it takes hours over the largest tables.',
    threshold:
      'At autovacuum_freeze_max_age a vacuum is forced; at twice that age it has failed or been held up: a warning. At vacuum_failsafe_age (1.6 billion, where vacuum itself gives up all restraint; the same number before version 14) it is an error. Multixacts have their own two settings.',
    fix: 'End what holds the oldest snapshot (transactions, prepared transactions, slots), then VACUUM (FREEZE) the oldest tables, oldest first.',
    falsePositives:
      'It is not a defect while the forced vacuum is at work on the last of the old tables: its progress is in pg_stat_progress_vacuum.',
    sources: ['PostgreSQL manual 24.1.5 Preventing Transaction ID Wraparound Failures'],
  },
  requires: ['postgres.transaction-ages', 'postgres.configuration', 'postgres.table-health', 'postgres.server'],
  examine(observations) {
    const { 'postgres.transaction-ages': ages, 'postgres.configuration': settings, 'postgres.server': server } = observations;
    const oldest = (field: 'transactionAge' | 'multixactAge') =>
      observations['postgres.table-health'].toSorted((one, other) => other[field] - one[field]).slice(0, 3);
    const complaints = ages.flatMap(({ database, transactionAge, multixactAge }): Complaint[] =>
      (
        [
          ['transaction id', 'transactionAge', transactionAge, limits(settings, 'autovacuum_freeze_max_age', 2e8, 'vacuum_failsafe_age')],
          [
            'multixact id',
            'multixactAge',
            multixactAge,
            limits(settings, 'autovacuum_multixact_freeze_max_age', 4e8, 'vacuum_multixact_failsafe_age'),
          ],
        ] as const
      ).flatMap(([what, field, age, { warning, error }]) => {
        if (age < warning) return [];
        // Tables can be seen in the database one is connected to only.
        const tables = database === server.database ? oldest(field) : [];
        return [
          {
            object: { type: 'database' as const, name: database },
            level: age >= error ? ('error' as const) : ('warning' as const),
            message: `the oldest ${what} of the database ${database} is ${quantity(age)} old, ${percent(age / horizon)} of the way to the stop`,
            usedShare: age / horizon,
            evidence: [
              measured(`age of the oldest ${what}`, age, '1', 'pg_database'),
              measured('age from which on it is overdue', warning, '1', 'pg_settings'),
              ...tables.map((row) => measured(`age of ${table(row).name}`, row[field], '1', 'pg_class')),
            ] as const,
            costIfIgnored: `After ${quantity(horizon - age)} more ids the server refuses every write until the vacuum is through.`,
            fix: {
              title: `Freeze the oldest tables of ${database}`,
              text: 'First end old transactions, prepared transactions and slots: as long as one of them holds the snapshot no vacuum can freeze what it sees.',
              up:
                tables.length === 0
                  ? null
                  : tables.map((row) => `VACUUM (FREEZE, VERBOSE) ${qualifiedName(row.schema, row.name)};`).join('\n'),
            },
          },
        ];
      }),
    );
    const eldest = ages.reduce((most, { transactionAge }) => Math.max(most, transactionAge), 0);
    return {
      complaints,
      otherwise: `${counted(ages.length, 'database')} looked at: the oldest transaction id is ${quantity(eldest)} old, ${percent(eldest / horizon)} of the way`,
    };
  },
});

function limits(settings: Readonly<Record<string, SettingObservation>>, freeze: string, freezeDefault: number, failsafe: string) {
  const error = settings[failsafe]?.value ?? 1.6e9;
  return { warning: Math.min(overdueFactor * (settings[freeze]?.value ?? freezeDefault), error), error };
}
