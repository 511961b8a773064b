import { Channel } from './channel.ts';
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
 * Installs the hooks; they stay passive until Anneal answers. The socket is opened when the process
 * first listens for HTTP: that tells the server apart from the npm and build processes around it.
 */
export function start(socketPath: string): void {
  const observer = new Observer();
  const channel = new Channel(socketPath, observer);
  hookSerialisation(observer);
  hookSynchronousCalls(observer);
  hookHttp(observer, () => channel.open());
  hookHttpClient(observer);
  hookFetch(observer);
  hookFastify(observer);
  hookFastifyRoutes(observer);
  hookModules(observer, libraries);
}
