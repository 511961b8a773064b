import type { TransactionAgeObservation } from '../../../measurement/database-health.ts';
import { own, snapshotProbe } from './database-probe.ts';

/** Of every database: the oldest one stops the whole server (manual, 24.1.5). */
export const transactionAges = snapshotProbe('transaction ages', 'postgres.transaction-ages', async (sql) => {
  const { rows } = await sql.query<TransactionAgeObservation>(
    own(
      `SELECT datname AS database, age(datfrozenxid) AS "transactionAge", mxid_age(datminmxid) AS "multixactAge" FROM pg_database ORDER BY 2 DESC`,
    ),
  );
  return rows;
});
