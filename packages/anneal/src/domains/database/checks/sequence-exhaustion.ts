import { percent, quantity } from '../../../finding/wording.ts';
import type { SequenceObservation } from '../../../measurement/database-health.ts';
import { qualifiedName, quoteIdentifier } from '../../../ports/index-sql.ts';
import { counted, defineCheck, measured, type Complaint } from './check.ts';

/** Widening the column of a large table is planned for weeks: at half, data that double leave just one doubling. */
const warningShare = 0.5;
/** A tenth left is the last moment at which it can be done without haste. */
const errorShare = 0.9;

/** Largest values of the integer types (manual, 8.1.1). */
const largest: Readonly<Record<string, number>> = { smallint: 32_767, integer: 2_147_483_647, bigint: 2 ** 63 };

export const sequenceExhaustion = defineCheck({
  id: 'database/sequence-exhaustion',
  title: 'Keys that run out',
  documentation: {
    what: 'A sequence, or the integer column it feeds, has used up much of the values it can give.',
    why: 'With the last value every insert fails at once. Widening the column then rewrites the table, its indexes and every column that refers to it while the application stands still.',
    threshold:
      'The last value against the smaller of the sequence’s maximum and its column’s type: a warning at half, because data that double have one doubling left and widening a large table is planned for weeks; an error at nine tenths.',
    fix: 'Make the column bigint, and the columns that refer to it, and the sequence with it.',
    falsePositives: 'It is not a defect where the sequence cycles on purpose, or its range is meant to be used up once.',
    sources: ['PostgreSQL manual 8.1.1 Integer Types', 'PostgreSQL manual, ALTER SEQUENCE'],
  },
  requires: ['postgres.sequences'],
  examine({ 'postgres.sequences': sequences }) {
    const readable = sequences.filter(({ isReadable }) => isReadable);
    const hidden = sequences.length - readable.length;
    return {
      complaints: readable.flatMap(complaint),
      otherwise: `${counted(readable.length, 'sequence')} looked at: each has more than half of its values left${hidden === 0 ? '' : `; ${hidden} may not be read by this role (GRANT SELECT ON ALL SEQUENCES)`}`,
    };
  },
});

function complaint(sequence: SequenceObservation): Complaint[] {
  const { lastValue, increment, cycles, column } = sequence;
  if (lastValue === null || cycles) return [];
  const end = increment > 0 ? Math.min(sequence.maximum, largest[column?.type ?? ''] ?? sequence.maximum) : sequence.minimum;
  const begin = increment > 0 ? sequence.minimum : sequence.maximum;
  const usedShare = (lastValue - begin) / (end - begin);
  if (!(usedShare >= warningShare)) return [];
  const name = qualifiedName(sequence.schema, sequence.name);
  const columnName = column === null ? null : `${qualifiedName(column.schema, column.table)}.${quoteIdentifier(column.name)}`;
  const isColumnNarrow = column !== null && (largest[column.type] ?? Infinity) < largest['bigint']!;
  return [
    {
      object: { type: 'sequence', name },
      level: usedShare >= errorShare ? 'error' : 'warning',
      message: `${name}${columnName === null ? '' : `, which feeds ${columnName} (${column!.type}),`} has given ${percent(usedShare)} of its values: ${quantity(Math.max(Math.floor((end - lastValue) / increment), 0))} are left`,
      usedShare,
      evidence: [
        measured('last value', lastValue, '1', 'pg_sequence_last_value'),
        measured(
          'last possible value',
          end,
          '1',
          column !== null && end < sequence.maximum ? `type ${column.type} of the column` : 'pg_sequence',
        ),
        measured('increment', increment, '1', 'pg_sequence'),
      ],
      costIfIgnored: `After the last value every insert that needs one fails${columnName === null ? '' : `, and ${columnName} can only be widened while nothing writes to it`}.`,
      fix: isColumnNarrow
        ? {
            title: `Make ${columnName} a bigint`,
            text:
              'ALTER TYPE rewrites the table and its indexes under an exclusive lock; on a large one add a bigint column beside it, fill it in batches with a trigger keeping it in step, and swap. ' +
              'Columns that refer to it have to be widened as well.',
            up: `ALTER TABLE ${qualifiedName(column.schema, column.table)} ALTER COLUMN ${quoteIdentifier(column.name)} TYPE bigint;\nALTER SEQUENCE ${name} AS bigint;`,
            down: `ALTER SEQUENCE ${name} AS ${sequence.type};\nALTER TABLE ${qualifiedName(column.schema, column.table)} ALTER COLUMN ${quoteIdentifier(column.name)} TYPE ${column.type};`,
          }
        : {
            title: `Widen ${name}`,
            text: 'Check first what takes its values.',
            up: `ALTER SEQUENCE ${name} AS bigint NO ${increment > 0 ? 'MAXVALUE' : 'MINVALUE'};`,
            down: `ALTER SEQUENCE ${name} AS ${sequence.type} ${increment > 0 ? `MAXVALUE ${sequence.maximum}` : `MINVALUE ${sequence.minimum}`};`,
          },
    },
  ];
}
