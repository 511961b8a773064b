import type { PreparedTransactionObservation } from '../../../measurement/database-health.ts';
import { own, snapshotProbe } from './database-probe.ts';

export const preparedTransactions = snapshotProbe('prepared transactions', 'postgres.prepared-transactions', async (sql) => {
  const { rows } = await sql.query<PreparedTransactionObservation>(
    own(`SELECT gid AS id, owner, (extract(epoch FROM clock_timestamp() - prepared) * 1000)::float8 AS "ageMs"
      FROM pg_prepared_xacts WHERE database = current_database() ORDER BY prepared`),
  );
  return rows;
});
