import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

export type Handlers = Readonly<Record<string, () => unknown>>;

/** Each path answers with what its handler comes to, or with how it failed. */
export function serve(handlers: Handlers, stop: () => unknown): void {
  const server = createServer((request, response) => {
    const handler = handlers[request.url ?? ''];
    if (handler === undefined) response.writeHead(404).end();
    else
      void (async () => handler())().then(
        (result) => response.end(JSON.stringify(result ?? null)),
        (error: Error) => response.writeHead(500).end(error.stack),
      );
  });
  server.listen(0, '127.0.0.1', () => {
    process.stdout.write(`listening ${(server.address() as AddressInfo).port}\n`);
  });
  process.on('SIGTERM', () => {
    server.close();
    server.closeAllConnections();
    void stop();
  });
}
