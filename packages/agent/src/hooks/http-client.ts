import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { ClientRequest, IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { Observer } from '../observer.ts';
import type { OutgoingCall } from '../outgoing/outgoing.ts';
import { failedStatus } from '../outgoing/outgoing-http.ts';

/**
 * Requests made through node:http and node:https, by the application or by what it uses (axios, got,
 * SDKs). Node announces each in the constructor, where its caller is still on the stack, so nothing
 * has to be wrapped. Listening only while observing: unheard channels cost nothing.
 */
export function hookHttpClient(observer: Observer): void {
  const hook = observer.hook('outgoing node:http');
  const calls = new WeakMap<object, OutgoingCall>();
  /** Requests that ask the peer to keep the connection; once it refused, Node forgets that they did. */
  const keepAlives = new WeakSet<object>();

  const guarded = (work: (message: object) => void) => (message: unknown) => {
    if (!hook.on) return;
    try {
      work(message as object);
    } catch (error) {
      hook.failed(error);
    }
  };

  const channels = {
    'http.client.request.created': guarded((message) => {
      const { request } = message as { readonly request: ClientRequest };
      const { method, host, path } = request;
      const named = request.getHeader('host');
      const call = observer.outgoingHttp(typeof named === 'string' ? named : host, method, path);
      if (call === null) return;
      calls.set(request, call);
      if (request.shouldKeepAlive) keepAlives.add(request);
      call.withoutTimeout = !hasSignal(request);
      request.once('socket', (socket) => timeConnecting(request, socket, call));
      // Whatever else happens, a request is over when it is closed; one that became a web socket or a tunnel has not failed.
      request.once('close', () => end(request, Reflect.get(request, 'upgradeOrConnect') !== true));
    }),
    'http.client.response.finish': guarded((message) => {
      const { request, response } = message as { readonly request: ClientRequest; readonly response: IncomingMessage };
      const call = calls.get(request);
      if (call === undefined) return;
      call.keepAliveRefused = keepAlives.has(request) && response.headers.connection?.toLowerCase() === 'close';
      // Before the application's own listeners: what it asks for next is asked after this one ended.
      response.prependOnceListener('end', () => {
        call.answerRead = response.listenerCount('data') > 0 || response.listenerCount('readable') > 0;
        end(request, failedStatus(response.statusCode ?? 0));
      });
    }),
    'http.client.request.error': guarded((message) => end((message as { readonly request: ClientRequest }).request, true)),
  };

  observer.whenSwitched((on) => {
    for (const [name, listener] of Object.entries(channels)) {
      if (on) subscribe(name, listener);
      else unsubscribe(name, listener);
    }
  });

  function end(request: ClientRequest, failed: boolean): void {
    const call = calls.get(request);
    if (call === undefined || call.done) return;
    // `timeout` options only tell: unless somebody listens, nothing ends the request.
    if (request.listenerCount('timeout') > 0) call.withoutTimeout = false;
    // A package may keep a clock of its own (got, node-fetch): nothing can be said of those.
    if (call.destination.via !== null) call.withoutTimeout = false;
    if (request.socket !== null) call.reusedConnection = request.reusedSocket;
    call.end(failed, performance.now());
  }
}

/** With a signal, Node watches the request for its end (`stream.addAbortSignal`): nothing else listens to `complete`. */
function hasSignal(request: ClientRequest): boolean {
  return request.listenerCount('complete') > 0;
}

function timeConnecting(request: ClientRequest, socket: Socket, call: OutgoingCall): void {
  if (!socket.connecting) return;
  const startedAt = performance.now();
  const made = (socket as Partial<TLSSocket>).encrypted === true ? 'secureConnect' : 'connect';
  socket.once(made, () => {
    call.connectMs = performance.now() - startedAt;
  });
}
