import type { AsyncLocalStorage } from 'node:async_hooks';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { Socket } from 'node:net';
import { wrapMethod } from '../../hooks/patch.ts';
import type { Reading } from './reading.ts';

/** Published by the libraries in the context of who asks, also where the socket is written to later by somebody else. */
const channels = [
  'undici:request:create',
  'http.client.request.start',
  'tracing:ioredis:command:start',
  'tracing:ioredis:batch:start',
  'tracing:node-redis:batch:start',
  'tracing:node-redis:command:start',
  'tracing:mysql2:query:start',
  'tracing:mysql2:execute:start',
];

const fileReads = [
  'readFile',
  'readFileSync',
  'open',
  'openSync',
  'createReadStream',
  'stat',
  'statSync',
  'readdir',
  'readdirSync',
] as const;
const filePromises = ['readFile', 'open', 'stat', 'readdir'] as const;

/**
 * Marks answers whose computation asked anything but the database: other services, other stores (any socket that is not
 * one of the clients that are watched), files. What was bound before (`const { readFile } = require('fs')`), the clock,
 * chance and module variables cannot be seen: the shadow comparison is there for those. Gives its undo.
 */
export function watchOtherInputs(storage: AsyncLocalStorage<Reading | null>, isWatched: (socket: object) => boolean): () => void {
  const undo: (() => void)[] = [];
  const refuse = (reason: string) => storage.getStore()?.refuse(reason);

  const asked = () => refuse('it asks another service');
  for (const channel of channels) {
    subscribe(channel, asked);
    undo.push(() => unsubscribe(channel, asked));
  }

  const unwrapWrite = wrapMethod(
    Socket.prototype,
    'write',
    (original) =>
      function write(this: unknown, ...args) {
        const reading = storage.getStore();
        if (
          reading !== undefined &&
          reading !== null &&
          reading.refusal === null &&
          !leadsNowhere(this as object) &&
          !isWatched(this as object)
        ) {
          reading.refuse('it asks another service');
        }
        return Reflect.apply(original, this, args);
      },
  );
  if (unwrapWrite !== null) undo.push(unwrapWrite);

  for (const [owner, names] of [
    [fs, fileReads],
    [fs.promises, filePromises],
  ] as const) {
    for (const name of names) {
      const unwrap = wrapMethod(
        owner,
        name,
        (original) =>
          function (this: unknown, ...args) {
            refuse('it reads a file');
            return Reflect.apply(original, this, args);
          },
      );
      if (unwrap !== null) undo.push(unwrap);
    }
  }
  syncBuiltinESMExports();
  return () => {
    for (const restore of undo) restore();
    syncBuiltinESMExports();
  };
}

/** Sockets that a server accepted have its name on them, and answers go there; what is logged comes back from nowhere. */
function leadsNowhere(socket: { readonly server?: unknown; readonly fd?: unknown }): boolean {
  return (socket.server !== undefined && socket.server !== null) || socket.fd === 1 || socket.fd === 2;
}
