/**
 * The entry: `node --import @anneal/agent app.js`, or the same through NODE_OPTIONS.
 *
 * NODE_OPTIONS reaches every Node process below the target (npm, compilers, worker threads), so this
 * file loads nothing and does nothing unless Anneal named a socket, or somebody asked for figures or policies, and this is a process's main thread.
 */
import module from 'node:module';
import { isMainThread } from 'node:worker_threads';
import { holdVariable, policiesVariable, socketVariable } from './channel/agreed.ts';
import { exportSettings } from './export/export-settings.ts';

const socketPath = process.env[socketVariable] ?? '';
const exported = exportSettings(process.env);
const policiesPath = process.env[policiesVariable] ?? '';
// Who holds the backend of the users is not to hold the copies that Anneal makes of it.
const holdPath = socketPath === '' ? (process.env[holdVariable] ?? '') : '';
const isAsked = isMainThread && (socketPath !== '' || holdPath !== '' || exported !== null || policiesPath !== '');
if (isAsked && typeof module.registerHooks !== 'function') {
  process.emitWarning(`@anneal/agent observes nothing: it needs Node 22.19 or later, and this is ${process.version}`);
} else if (isAsked) {
  try {
    const { start } = await import('./start.ts');
    start({ socketPath, holdPath, exported, policiesPath });
  } catch {
    // An application never fails because its observer could not start.
  }
}
