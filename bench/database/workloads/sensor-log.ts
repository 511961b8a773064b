import type { DatabaseSnapshot } from '../../../packages/anneal/src/ports/database-snapshot.ts';
import { imaginedSnapshot } from './imagined-tables.ts';

/**
 * A log of 50 million readings that grows by four million a day. A dashboard asks for one sensor's last hours every few seconds; an
 * auditor asks once a day for outliers and for a batch. What serves the auditor costs every reading written.
 */
export function sensorLog(): DatabaseSnapshot {
  const statement = (id: string, text: string, calls: number, rows: number, samples: readonly (readonly unknown[])[]) => ({
    id,
    text,
    calls,
    rows,
    samples,
  });
  return imaginedSnapshot(
    [
      {
        name: 'readings',
        rows: 50_000_000,
        primaryKey: ['id'],
        columns: [
          { name: 'id', type: 'bigint', distinct: -1, upTo: 50_000_000, correlation: 1 },
          { name: 'sensor_id', type: 'integer', distinct: 20_000, upTo: 20_000 },
          { name: 'at', type: 'timestamp with time zone', distinct: -0.9, upTo: 100_000_000, correlation: 1 },
          { name: 'value', type: 'integer', distinct: 400_000, upTo: 1_000_000 },
          { name: 'batch', type: 'text', distinct: -0.2, upTo: 10_000_000, widthBytes: 17 },
          { name: 'quality', type: 'integer', distinct: 5, upTo: 5 },
        ],
      },
      {
        name: 'sensors',
        rows: 20_000,
        primaryKey: ['id'],
        columns: [
          { name: 'id', type: 'integer', distinct: -1, upTo: 20_000, correlation: 1 },
          { name: 'site_id', type: 'integer', distinct: 300, upTo: 300 },
          { name: 'name', type: 'text', distinct: -1, upTo: 20_000, widthBytes: 24 },
        ],
      },
    ],
    [
      statement(
        'write',
        'INSERT INTO readings (id, sensor_id, at, value, batch, quality) VALUES ($1, $2, $3, $4, $5, $6)',
        4_000_000,
        4_000_000,
        [[1, 1, '1973-01-01Z', 1, 'v000000001', 1]],
      ),
      statement('last hours', 'SELECT at, value FROM readings WHERE sensor_id = $1 AND at > $2 ORDER BY at', 30_000, 600_000, [
        [4_711, '1973-02-28Z'],
      ]),
      statement(
        'site',
        'SELECT s.name, max(r.value) FROM sensors s JOIN readings r ON r.sensor_id = s.id WHERE s.site_id = $1 AND r.at > $2 GROUP BY s.name',
        500,
        30_000,
        [[17, '1973-02-28Z']],
      ),
      statement('outliers', 'SELECT id FROM readings WHERE value > $1 AND quality = $2', 1, 100, [[999_000, 4]]),
      statement('batch', 'SELECT count(*) FROM readings WHERE batch = $1', 1, 1, [['v005000000']]),
    ],
  );
}
