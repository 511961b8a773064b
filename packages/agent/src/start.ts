import { Channel } from './channel.ts';
import { hookFastify } from './hooks/fastify.ts';
import { hookHttp } from './hooks/http.ts';
import { libraries } from './hooks/libraries.ts';
import { hookModules } from './hooks/modules.ts';
import { hookSerialisation } from './hooks/serialisation.ts';
import { Observer } from './observer.ts';

/**
 * Installs the hooks; they stay passive until Anneal answers. The socket is opened when the process
 * first listens for HTTP: that tells the server apart from the npm and build processes around it.
 */
export function start(socketPath: string): void {
  const observer = new Observer();
  const channel = new Channel(socketPath, observer);
  hookSerialisation(observer);
  hookHttp(observer, () => channel.open());
  hookFastify(observer);
  hookModules(observer, libraries);
}
