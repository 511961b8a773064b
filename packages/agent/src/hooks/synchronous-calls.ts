import childProcess from 'node:child_process';
import crypto from 'node:crypto';
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import zlib from 'node:zlib';
import { captureCallSite, CallSiteSampler } from '../places/call-site.ts';
import type { Observer } from '../observer.ts';
import { patchMethod } from './patch.ts';

/** A call this long is worth a stack of 30 us each time: three per cent of what it took. */
const alwaysLocatedMs = 1;

/** A loop over files; more of one request tell nothing new. */
const mostCallsPerRequest = 1_000;

/**
 * Times the synchronous calls of `fs`, `crypto`, `zlib` and `child_process` within requests; a call inside another
 * one counts once. They are wrapped from the start, before the application takes its copies of them
 * (`const { readFileSync } = require('fs')`); while nobody observes a wrapper reads one property, against the 1 us that
 * the shortest of these calls takes.
 */
export function hookSynchronousCalls(observer: Observer): void {
  const hook = observer.hook('synchronous calls');
  let inside = false;
  for (const [module, exported] of Object.entries({ fs, crypto, zlib, child_process: childProcess }) as readonly (readonly [
    string,
    object,
  ])[]) {
    for (const name of Object.keys(exported).filter(isSynchronous)) wrap(exported, module, name);
  }
  // `import { readFileSync } from 'node:fs'` sees the same functions.
  syncBuiltinESMExports();

  function wrap(exported: object, module: string, name: string): void {
    const sampler = new CallSiteSampler();
    const before: unknown = Reflect.get(exported, name);
    patchMethod(exported, name, (original) => {
      const timed = function (this: unknown, ...args: unknown[]): unknown {
        if (inside || !hook.on) return Reflect.apply(original, this, args);
        const request = observer.current();
        if (request === null) return Reflect.apply(original, this, args);
        inside = true;
        const startedAt = performance.now();
        try {
          return Reflect.apply(original, this, args);
        } finally {
          inside = false;
          try {
            const durationMs = performance.now() - startedAt;
            request.synchronous ??= [];
            if (request.synchronous.length < mostCallsPerRequest) {
              const location = durationMs >= alwaysLocatedMs || sampler.wants() ? captureCallSite() : null;
              request.synchronous.push({ name: `${module}.${name}`, location, durationMs });
            }
          } catch (error) {
            hook.failed(error);
          }
        }
      };
      // Some carry functions of their own (`fs.realpathSync.native`).
      return Object.assign(timed, before);
    });
  }
}

/** Not the ones that only look at or close what is open: they never leave the process for long. */
function isSynchronous(name: string): boolean {
  return name.endsWith('Sync') && name !== 'closeSync' && name !== 'timingSafeEqual';
}
