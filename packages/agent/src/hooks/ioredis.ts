import type { Observer } from '../observer.ts';
import type { OutgoingCall } from '../outgoing/outgoing.ts';
import type { Library, LibraryFile } from './library.ts';
import { patchMethod, type Method } from './patch.ts';
import { blocks, commandName, redisPeer } from './redis-commands.ts';

/** What the agent uses of an ioredis `Command`: settled through its own `resolve` and `reject`. */
interface CommandLike {
  readonly name: string;
  readonly args: readonly unknown[];
  resolve?: (value: unknown) => unknown;
  reject?: (error: unknown) => unknown;
}

interface Exported {
  readonly default: { readonly prototype: object };
}

export const ioredis: Library = { packages: { ioredis: ['5.0', '6.0'] }, files: hookIoredis };

/**
 * Every command passes `sendCommand`, where its caller is still on the stack; pipelines send theirs one
 * after the other from there too. A command may pass several times (a queue while disconnected, a cluster
 * that finds its node): it is told once.
 */
function hookIoredis(observer: Observer): readonly LibraryFile[] {
  const hook = observer.hook('ioredis');
  const told = new WeakSet<object>();
  const peers = new WeakMap<object, string>();

  return [
    {
      path: 'ioredis/built/Redis.js',
      meet: (exported) => meet(exported as Exported, ({ options }) => redisPeer(options)),
      bundled: { methods: ['recoverFromFatalError', 'sendCommand'], as: 'default' },
    },
    {
      path: 'ioredis/built/cluster/index.js',
      meet: (exported) => meet(exported as Exported, clusterName),
      bundled: { methods: ['natMapper', 'sendCommand'], as: 'default' },
    },
  ];

  function meet(exported: Exported, nameOf: (client: Record<string, unknown>) => string): unknown {
    patchMethod(exported.default.prototype, 'sendCommand', (original) => {
      return function sendCommand(this: unknown, command, stream, node) {
        if (hook.on) begin(this as Record<string, unknown>, command as CommandLike, nameOf);
        return original.call(this, command, stream, node);
      } satisfies Method;
    });
    return exported;
  }

  function begin(client: Record<string, unknown>, command: CommandLike, nameOf: (client: Record<string, unknown>) => string): void {
    try {
      if (!observer.follows || told.has(command)) return;
      told.add(command);
      const name = commandName(command.name);
      if (name === null || blocks(name, command.args)) return;
      let peer = peers.get(client);
      if (peer === undefined) peers.set(client, (peer = nameOf(client)));
      const call = observer.outgoing('redis', peer, name, command.args);
      if (call !== null) follow(command, call);
    } catch (error) {
      hook.failed(error);
    }
  }
}

/** Its promise is not listened to: a failure nobody handles stays unhandled. */
function follow(command: CommandLike, call: OutgoingCall): void {
  const { resolve, reject } = command;
  if (resolve === undefined || reject === undefined) return;
  command.resolve = (value) => {
    call.end(false, performance.now());
    return resolve.call(command, value);
  };
  command.reject = (error) => {
    call.end(true, performance.now());
    return reject.call(command, error);
  };
}

function clusterName({ startupNodes }: Record<string, unknown>): string {
  const first: unknown = Array.isArray(startupNodes) ? startupNodes[0] : undefined;
  return `cluster ${typeof first === 'string' ? first.replace(/^.*@/, '') : redisPeer(first)}`;
}
