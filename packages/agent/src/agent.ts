/**
 * The entry: `node --import @anneal/agent app.js`, or the same through NODE_OPTIONS.
 *
 * NODE_OPTIONS reaches every Node process below the target (npm, compilers, worker threads), so this
 * file loads nothing and does nothing unless Anneal named a socket and this is a process's main thread.
 */
import { isMainThread } from 'node:worker_threads';
import { socketVariable } from './protocol.ts';

const socketPath = process.env[socketVariable];
if (isMainThread && socketPath !== undefined && socketPath !== '') {
  try {
    const { start } = await import('./start.ts');
    start(socketPath);
  } catch {
    // An application never fails because its observer could not start.
  }
}
