/**
 * The entry: `node --import @anneal/agent app.js`, or the same through NODE_OPTIONS.
 *
 * NODE_OPTIONS reaches every Node process below the target (npm, compilers, worker threads), so this
 * file loads nothing and does nothing unless Anneal named a socket, or somebody asked for figures, and this is a process's main thread.
 */
import { isMainThread } from 'node:worker_threads';
import { socketVariable } from './channel/agreed.ts';
import { exportSettings } from './export/export-settings.ts';

const socketPath = process.env[socketVariable] ?? '';
const exported = exportSettings(process.env);
if (isMainThread && (socketPath !== '' || exported !== null)) {
  try {
    const { start } = await import('./start.ts');
    start(socketPath, exported);
  } catch {
    // An application never fails because its observer could not start.
  }
}
