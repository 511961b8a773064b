import http, { type IncomingMessage, type ServerResponse } from 'node:http';
import https from 'node:https';
import type { Socket } from 'node:net';
import { WatchedAnswers } from '../answers/answer.ts';
import type { Observer } from '../observer.ts';
import type { OpenRequest } from '../requests/request.ts';
import { routeNameOf } from '../requests/route-name.ts';
import { RunningReads } from '../requests/running-reads.ts';
import { PassingReplacement, type Method } from './patch.ts';

/** The agent's own: what they answer is no traffic of the application. */
export const ownServers = new WeakSet<object>();

/**
 * Every HTTP/1 request of this process, whatever framework serves it: `request` is emitted inside
 * the request's own async context. `firstListening` is called once, when a server first listens.
 */
export function hookHttp(observer: Observer, firstListening: () => void): void {
  const hook = observer.hook('node:http');
  const running = new RunningReads();
  const answers = new WatchedAnswers(observer.examination);
  let listening = false;
  for (const server of [http.Server.prototype, https.Server.prototype]) {
    const replacement = new PassingReplacement(
      server,
      'emit',
      (original) =>
        function emit(this: unknown, ...args) {
          if (args[0] === 'listening' && !listening) {
            listening = true;
            firstListening();
          }
          if (args[0] !== 'request' || !hook.on || ownServers.has(this as object)) return emitOther(original, this, args);
          let request: OpenRequest | null;
          try {
            request = follow(observer, args[1] as IncomingMessage, args[2] as ServerResponse);
          } catch (error) {
            hook.failed(error);
            return Reflect.apply(original, this, args);
          }
          return observer.within(request, () => original.call(this, 'request', args[1], args[2]));
        },
    );
    observer.whileOnAndAtFirst(replacement);
  }
  observer.hooks.add('node:http');

  function emitOther(original: Method, server: unknown, args: readonly unknown[]): unknown {
    const [event] = args;
    // What a parser calls runs in the context that its connection was made in.
    if (hook.on && event === 'connection') return observer.connected(() => Reflect.apply(original, server, args));
    if (hook.isBroken || (hook.on && (event === 'upgrade' || event === 'connect')))
      return observer.apart(() => Reflect.apply(original, server, args));
    return Reflect.apply(original, server, args);
  }

  function follow(observer: Observer, incoming: IncomingMessage, response: ServerResponse): OpenRequest | null {
    const request = observer.open(incoming.method ?? 'GET');
    if (request === null) return null;
    // A middleware that strips a prefix rewrites `url`; the name comes from what the client sent.
    const url = incoming.url ?? '/';
    if (request.examined) answers.begin(response, () => observer.knowsAnswers(request.method, routeNameOf(request, incoming, url)));
    const { socket } = incoming;
    const sentBefore = socket.bytesWritten;
    const compared = observer.comparesReads && request.method === 'GET';
    if (compared) request.identical = running.begin(incoming, url);
    response.on('close', () => {
      try {
        if (compared) running.end(incoming, url);
        if (request.examined) answers.end(request, incoming, response);
        observer.close(request, {
          route: routeNameOf(request, incoming, url),
          failed: response.statusCode >= 500 || !response.writableFinished,
          responseBytes: bodyBytes(response, socket, sentBefore),
        });
      } catch (error) {
        hook.failed(error);
      }
    });
    return request;
  }
}

/** What went over the connection without the head; chunked framing counts. */
function bodyBytes(response: ServerResponse, socket: Socket, sentBefore: number): number {
  const { _header: head } = response as ServerResponse & { readonly _header?: string | null };
  return Math.max(socket.bytesWritten - sentBefore - (head?.length ?? 0), 0);
}
