import type { Observer } from '../observer.ts';
import type { Library, LibraryFile } from './library.ts';
import { patchMethod, type Method } from './patch.ts';
import { runUnit } from './unit-of-work.ts';

interface Named {
  readonly name: string;
}

export const bullmq: Library = { packages: { bullmq: ['5.0', '7.0'] }, files: hookBullmq };

/**
 * A job that is processed is a unit of work, named `job <queue>`; adding jobs is a call to the queue, of which
 * the Redis commands below are a part.
 */
function hookBullmq(observer: Observer): readonly LibraryFile[] {
  const hook = observer.hook('bullmq');

  return [
    {
      path: 'bullmq/dist/cjs/classes/worker.js',
      meet(exported) {
        patchMethod((exported as { readonly Worker: { readonly prototype: object } }).Worker.prototype, 'callProcessJob', (original) => {
          return function callProcessJob(this: unknown, ...args: unknown[]) {
            const process = () => Reflect.apply(original, this, args);
            return hook.on ? runUnit(observer, 'job', (this as Named).name, process) : process();
          } satisfies Method;
        });
        return exported;
      },
      bundled: { methods: ['callProcessJob', 'run'], as: 'Worker' },
    },
    {
      path: 'bullmq/dist/cjs/classes/queue.js',
      meet(exported) {
        const { prototype } = (exported as { readonly Queue: { readonly prototype: object } }).Queue;
        for (const operation of ['add', 'addBulk']) patchMethod(prototype, operation, (original) => told(operation, original));
        return exported;
      },
      bundled: { methods: ['obliterate', 'add', 'addBulk'], as: 'Queue' },
    },
  ];

  function told(operation: string, original: Method): Method {
    return function addJobs(this: unknown, ...args: unknown[]) {
      const call = hook.on && observer.follows ? observer.outgoing('queue', (this as Named).name, operation, args) : null;
      if (call === null) return Reflect.apply(original, this, args);
      const added = observer.whileCalling(call, () => Reflect.apply(original, this, args)) as Promise<unknown>;
      return added.then(
        (jobs) => {
          call.end(false, performance.now());
          return jobs;
        },
        (error: unknown) => {
          call.end(true, performance.now());
          throw error;
        },
      );
    };
  }
}
