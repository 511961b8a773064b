import type { Observer } from '../observer.ts';
import type { OutgoingCall } from '../outgoing/outgoing.ts';
import type { Library, LibraryFile } from './library.ts';
import { patchMethod, type Method } from './patch.ts';
import { blocks, commandName, redisPeer } from './redis-commands.ts';

interface ClientLike {
  readonly options?: { readonly socket?: unknown };
}

export const nodeRedis: Library = { packages: { '@redis/client': ['5.0', '7.0'] }, files: hookNodeRedis };

/** Commands pass `sendCommand`, pipelines and transactions one method of their own each; from there a batch is one round trip. */
function hookNodeRedis(observer: Observer): readonly LibraryFile[] {
  const hook = observer.hook('redis');
  const peers = new WeakMap<object, string>();

  return [
    {
      path: '@redis/client/dist/lib/client/index.js',
      meet: (exported) => meet(exported as { readonly default: { readonly prototype: object } }),
      bundled: { methods: ['_executePipeline', '_executeMulti', 'sendCommand'], as: 'default' },
    },
  ];

  function meet(exported: { readonly default: { readonly prototype: object } }): unknown {
    const { prototype } = exported.default;
    patchMethod(prototype, 'sendCommand', (original) => {
      return function sendCommand(this: unknown, args, options) {
        const call = hook.on && Array.isArray(args) ? begin(this as object, args as readonly unknown[]) : null;
        const sent = original.call(this, args, options);
        return call === null ? sent : followed(sent as Promise<unknown>, call);
      } satisfies Method;
    });
    for (const [method, operation] of [
      ['_executePipeline', 'PIPELINE'],
      ['_executeMulti', 'MULTI'],
    ] as const) {
      patchMethod(prototype, method, (original) => {
        return function executeBatch(this: unknown, ...args: unknown[]) {
          const call = hook.on ? told(this as object, operation, args) : null;
          const sent = Reflect.apply(original, this, args);
          return call === null ? sent : followed(sent as Promise<unknown>, call);
        } satisfies Method;
      });
    }
    return exported;
  }

  function begin(client: object, args: readonly unknown[]): OutgoingCall | null {
    const name = commandName(args[0]);
    return name === null || blocks(name, args) ? null : told(client, name, args);
  }

  function told(client: object, operation: string, args: readonly unknown[]): OutgoingCall | null {
    try {
      if (!observer.follows) return null;
      let peer = peers.get(client);
      if (peer === undefined) peers.set(client, (peer = redisPeer((client as ClientLike).options?.socket)));
      return observer.outgoing('redis', peer, operation, args);
    } catch (error) {
      hook.failed(error);
      return null;
    }
  }
}

/** Handed on, never listened to on the side: a failure nobody handles stays unhandled. */
function followed(sent: Promise<unknown>, call: OutgoingCall): Promise<unknown> {
  return sent.then(
    (reply) => {
      call.end(false, performance.now());
      return reply;
    },
    (error: unknown) => {
      call.end(true, performance.now());
      throw error;
    },
  );
}
