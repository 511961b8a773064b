import { Channel } from './channel/channel.ts';
import type { ExportSettings } from './export/export-settings.ts';
import { hookFastifyRoutes } from './hooks/fastify-routes.ts';
import { hookFastify } from './hooks/fastify.ts';
import { hookFetch } from './hooks/fetch.ts';
import { hookHttpClient } from './hooks/http-client.ts';
import { hookHttp } from './hooks/http.ts';
import { libraries } from './hooks/libraries.ts';
import { hookModules } from './hooks/modules.ts';
import { hookSerialisation } from './hooks/serialisation.ts';
import { hookSynchronousCalls } from './hooks/synchronous-calls.ts';
import { Observer } from './observer.ts';

/**
 * Installs the hooks; they stay passive until Anneal answers, or the figures are wanted. The socket is opened when the process
 * first listens for HTTP: that tells the server apart from the npm and build processes around it.
 */
export function start(socketPath: string, exported: ExportSettings | null): void {
  const observer = new Observer();
  // Summaries are read once: while Anneal measures, the figures are its own.
  const listening = socketPath === '' ? () => void exports(observer, exported!) : opens(new Channel(socketPath, observer));
  hookSerialisation(observer);
  hookSynchronousCalls(observer);
  hookHttp(observer, listening);
  hookHttpClient(observer);
  hookFetch(observer);
  hookFastify(observer);
  hookFastifyRoutes(observer);
  hookModules(observer, libraries);
}

function opens(channel: Channel): () => void {
  return () => channel.open();
}

async function exports(observer: Observer, settings: ExportSettings): Promise<void> {
  try {
    const { startExport } = await import('./export/exporter.ts');
    startExport(observer, settings);
  } catch (error) {
    observer.problems.note(`the figures are not exported: ${String(error)}`);
  }
}
