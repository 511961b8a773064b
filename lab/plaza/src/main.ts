import { createPool } from './database.ts';
import { startLeaderboard } from './insights/leaderboard.ts';
import { createServer } from './server.ts';
import { startTown } from './town/town.ts';

const databaseUrl = process.env['DATABASE_URL'];
if (databaseUrl === undefined) throw new Error('DATABASE_URL is not set');

const pool = createPool(databaseUrl);
const town = await startTown();
const app = await createServer(pool, town);
pool.on('error', (error) => app.log.error(error, 'an idle database connection failed'));
const leaderboard = startLeaderboard(pool, app.log);

async function shutDown(): Promise<void> {
  leaderboard.stop();
  await app.close();
  await town.close();
  await pool.end();
}
process.once('SIGTERM', () => void shutDown());
process.once('SIGINT', () => void shutDown());

await app.listen({ host: '127.0.0.1', port: Number(process.env['PORT'] ?? 3000) });
