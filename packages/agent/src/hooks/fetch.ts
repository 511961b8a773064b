import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { Observer } from '../observer.ts';
import type { OutgoingCall } from '../outgoing/outgoing.ts';
import { failedStatus } from '../outgoing/outgoing-http.ts';
import { patchMethod, type Method } from './patch.ts';

/** What undici tells of a request, Node's own copy and those of the application alike. */
interface UndiciRequest {
  readonly origin?: unknown;
  readonly method: string;
  readonly path: string;
  /** Of this request only; the dispatcher has limits of its own. */
  readonly headersTimeout?: number | null;
  readonly bodyTimeout?: number | null;
}

/**
 * `fetch` and undici. The global `fetch` is wrapped, because only there the application's line and its
 * signal are seen; how a request fares is told by undici's diagnostics channels. Requests made through
 * undici directly are met at its channels alone.
 */
export function hookFetch(observer: Observer): void {
  const hook = observer.hook('fetch');
  const calls = new WeakMap<object, OutgoingCall>();
  /** Connections that no request has used yet. */
  const unused = new WeakSet<object>();

  patchMethod(globalThis, 'fetch', (original) => {
    return function fetch(this: unknown, input, init) {
      const call = hook.on ? begin(input, init) : null;
      if (call === null) return original.call(this, input, init);
      const answered = observer.whileCalling(call, () => original.call(this, input, init));
      return followed(answered as Promise<Response>, call);
    } satisfies Method;
  });

  function begin(input: unknown, init: unknown): OutgoingCall | null {
    try {
      if (!observer.follows || observer.current() === null) return null;
      const { url, method, limited } = readFetch(input, init);
      if (url.protocol !== 'http:' && url.protocol !== 'https:') return null;
      const path = url.pathname + url.search;
      const call = observer.outgoingHttp(url.host, method, path);
      if (call !== null) call.withoutTimeout = !limited;
      return call;
    } catch {
      // What is no URL to us is the application's mistake, and fetch says so better.
      return null;
    }
  }

  /** The promise is handed on, never listened to on the side: a failure nobody handles stays unhandled. */
  function followed(answered: Promise<Response>, call: OutgoingCall): Promise<Response> {
    return answered.then(
      (response) => {
        call.answer = response;
        if (redirects(response.status)) call.end(false, performance.now());
        return response;
      },
      (error: unknown) => {
        call.end(true, performance.now());
        throw error;
      },
    );
  }

  const guarded = (work: (message: never) => void) => (message: unknown) => {
    if (!hook.on) return;
    try {
      work(message as never);
    } catch (error) {
      hook.failed(error);
    }
  };

  const channels = {
    'undici:request:create': guarded(({ request }: { readonly request: UndiciRequest }) => {
      const call = observer.calling() ?? beginDirect(request);
      if (call === null) return;
      calls.set(request, call);
      if (isLimit(request.headersTimeout) || isLimit(request.bodyTimeout)) call.withoutTimeout = false;
    }),
    'undici:client:connected': guarded(({ socket }: { readonly socket: object }) => {
      unused.add(socket);
    }),
    'undici:client:sendHeaders': guarded(({ request, socket }: { readonly request: object; readonly socket: object }) => {
      const opened = unused.delete(socket);
      const call = calls.get(request);
      if (call === undefined) return;
      call.reusedConnection = !opened;
      // The first request over a connection had to wait for it to be made.
      if (opened) call.connectMs = performance.now() - call.sentAt;
    }),
    'undici:request:headers': guarded(
      ({
        request,
        response,
      }: {
        readonly request: object;
        readonly response: { readonly statusCode: number; readonly headers?: unknown };
      }) => {
        const call = calls.get(request);
        if (call === undefined) return;
        call.failed = failedStatus(response.statusCode);
        call.keepAliveRefused = closes(response.headers);
        // A redirect that `fetch` follows is not the end of its call.
        if (redirects(response.statusCode) && observer.calling() === call) calls.delete(request);
      },
    ),
    'undici:request:trailers': guarded(({ request }: { readonly request: object }) => {
      const call = calls.get(request);
      call?.end(call.failed, performance.now());
    }),
    'undici:request:error': guarded(({ request }: { readonly request: object }) => {
      calls.get(request)?.end(true, performance.now());
    }),
  };

  observer.whenSwitched((on) => {
    for (const [name, listener] of Object.entries(channels)) {
      if (on) subscribe(name, listener);
      else unsubscribe(name, listener);
    }
  });

  /** Whether such a request is limited in time is not told: its signal does not come by here. */
  function beginDirect(request: UndiciRequest): OutgoingCall | null {
    const origin = String(request.origin);
    if (!URL.canParse(origin)) return null;
    const { method, path } = request;
    return observer.outgoingHttp(new URL(origin).host, method, path);
  }
}

interface FetchInit {
  readonly method?: unknown;
  readonly signal?: unknown;
  readonly dispatcher?: unknown;
}

function readFetch(input: unknown, init: unknown): { readonly url: URL; readonly method: string; readonly limited: boolean } {
  const { method, signal, dispatcher } = (init ?? {}) as FetchInit;
  const request = input instanceof Request ? input : null;
  return {
    url: new URL(request === null ? String(input) : request.url),
    method: (typeof method === 'string' ? method : (request?.method ?? 'GET')).toUpperCase(),
    // A Request has a signal of its own, and whether anybody holds its other end cannot be seen.
    limited: (signal !== undefined && signal !== null) || request !== null || limitsTime(dispatcher ?? globalDispatcher()),
  };
}

/** Set by undici's `setGlobalDispatcher`, in the application's own copy too; from version 8 on under a name of its own, with a wrapper under the old one. */
function globalDispatcher(): unknown {
  return (
    Reflect.get(globalThis, Symbol.for('undici.globalDispatcher.2')) ?? Reflect.get(globalThis, Symbol.for('undici.globalDispatcher.1'))
  );
}

/** Whether a dispatcher was made with limits; of one whose options cannot be read nothing is claimed. Undici's own default is 300 s. */
function limitsTime(dispatcher: unknown): boolean {
  if (dispatcher === undefined) return false;
  if (typeof dispatcher !== 'object' || dispatcher === null) return true;
  const symbol = Object.getOwnPropertySymbols(dispatcher).find(({ description }) => description === 'options');
  const options: unknown = symbol === undefined ? undefined : Reflect.get(dispatcher, symbol);
  if (typeof options !== 'object' || options === null) return true;
  const { headersTimeout, bodyTimeout } = options as { readonly headersTimeout?: unknown; readonly bodyTimeout?: unknown };
  return isLimit(headersTimeout) || isLimit(bodyTimeout);
}

function isLimit(timeout: unknown): boolean {
  return typeof timeout === 'number' && timeout > 0;
}

function redirects(status: number): boolean {
  return [301, 302, 303, 307, 308].includes(status);
}

/** Raw headers: names and values in turn. */
function closes(headers: unknown): boolean {
  if (!Array.isArray(headers)) return false;
  const texts = headers.map((part) => String(part).toLowerCase());
  const name = texts.findIndex((text, index) => index % 2 === 0 && text === 'connection');
  return name !== -1 && texts[name + 1] === 'close';
}
