import { EventEmitter } from 'node:events';
import { promiseHooks } from 'node:v8';
import type { BundledClass, LibraryFile } from './library.ts';
import { wrapMethod, type Method } from './patch.ts';

/** What is told as it happens; none of these throws. */
export interface Meetings {
  /** A class like the file's was read of. */
  readonly expect: (file: LibraryFile) => void;
  readonly meet: (file: LibraryFile, exported: unknown) => void;
  /** It was expected, and did not come in time. */
  readonly giveUp: (file: LibraryFile) => void;
}

interface Expected {
  readonly file: LibraryFile;
  readonly bundled: BundledClass;
  /** How many classes like it were read of, and have not made an object yet. */
  awaited: number;
}

/** A longer text would be read for more than a tenth of a second: then anything may be in it. */
const longestRead = 16_000_000;

/** Looked at for some 30 ms in all: whoever has not queried by then is unlikely to. */
const mostPromises = 1_000_000;

/**
 * Meets libraries that were compiled into a bundle, by whichever bundler, minified or not. What is left of them there
 * are classes with the names of their methods; and clients, pools and servers are event emitters, as queries may be
 * promises. So a bundle's text only tells what to expect, and is not touched: no line or column of it moves. An expected
 * class is met when it makes its first object, before its own constructor has done anything. While one is awaited,
 * making an emitter takes some 10 ns more, or a promise 30; when all have come nothing is left of that.
 */
export class BundledClasses {
  readonly #expected: readonly Expected[];
  readonly #definitions: RegExp;
  readonly #meetings: Meetings;
  readonly #met = new WeakSet<object>();
  /** Prototypes that were looked at, and need not be again. */
  #seen = new WeakSet<object>();
  #stopEmitters: (() => void) | null = null;
  #stopPromises: (() => void) | null = null;
  #promises = 0;

  constructor(files: readonly LibraryFile[], meetings: Meetings) {
    this.#meetings = meetings;
    this.#expected = files.flatMap((file) => (file.bundled === undefined ? [] : [{ file, bundled: file.bundled, awaited: 0 }]));
    const names = this.#expected.map(({ bundled }) => bundled.methods[0]).join('|');
    this.#definitions = new RegExp(`(?<name>${names})\\([\\w$,.= ]*\\)\\s*\\{`, 'g');
  }

  /** It was met in a file of its own. */
  metInFile({ bundled }: LibraryFile, exported: unknown): void {
    if (bundled === undefined || exported === null) return;
    const Class: unknown = bundled.as === undefined ? exported : Reflect.get(exported as object, bundled.as);
    if (typeof Class === 'function' && typeof Class.prototype === 'object') this.#met.add(Class.prototype as object);
  }

  /** What the application loads, in one pass of 3 to 5 ms per MB; compiling and running it takes Node five times that. */
  lookIn(source: string | Uint8Array): void {
    if (source.length > longestRead) {
      for (const expected of this.#expected) this.#await(expected, Number.POSITIVE_INFINITY);
      return;
    }
    // Names are ASCII, so bytes need not be decoded.
    const text = typeof source === 'string' ? source : Buffer.from(source.buffer, source.byteOffset, source.byteLength).toString('latin1');
    for (const { groups, index } of text.matchAll(this.#definitions)) {
      if (text.startsWith('function ', index - 'function '.length)) continue;
      for (const expected of this.#expected) {
        if (expected.bundled.methods[0] !== groups?.['name']) continue;
        this.#meetings.expect(expected.file);
        this.#await(expected, 1);
      }
    }
  }

  #await(expected: Expected, times: number): void {
    expected.awaited += times;
    this.#seen = new WeakSet();
    if (expected.bundled.isPromise === true) this.#stopPromises ??= this.#watchPromises();
    else this.#stopEmitters ??= this.#watchEmitters();
  }

  #watchEmitters(): (() => void) | null {
    const made = (emitter: object) => this.#made(emitter);
    return wrapMethod(EventEmitter, 'init', (original) => {
      return function init(this: unknown, options) {
        made(this as object);
        return original.call(this, options);
      } satisfies Method;
    });
  }

  #watchPromises(): () => void {
    return promiseHooks.onInit((promise: object) => {
      if (prototypeOf(promise) !== Promise.prototype) this.#made(promise);
      this.#promises += 1;
      if (this.#promises !== mostPromises) return;
      for (const expected of this.#expected) {
        if (expected.bundled.isPromise !== true || expected.awaited === 0) continue;
        // Of what was never read of there is nothing to say.
        if (Number.isFinite(expected.awaited)) this.#meetings.giveUp(expected.file);
        expected.awaited = 0;
      }
      this.#stopIdle();
    }) as () => void;
  }

  #stopIdle(): void {
    const awaits = (promises: boolean) =>
      this.#expected.some(({ bundled, awaited }) => awaited > 0 && (bundled.isPromise === true) === promises);
    if (!awaits(false)) {
      this.#stopEmitters?.();
      this.#stopEmitters = null;
    }
    if (!awaits(true)) {
      this.#stopPromises?.();
      this.#stopPromises = null;
    }
  }

  /** From the object's own class up to what is known already. */
  #made(object: object): void {
    for (let prototype = prototypeOf(object); prototype !== null && !this.#seen.has(prototype); prototype = prototypeOf(prototype)) {
      this.#seen.add(prototype);
      const own = prototype;
      const expected = this.#expected.find(({ bundled, awaited }) => awaited > 0 && hasOwnMethods(own, bundled.methods));
      if (expected === undefined || this.#met.has(prototype)) continue;
      expected.awaited -= 1;
      this.#meetClass(prototype, expected);
      this.#stopIdle();
    }
  }

  #meetClass(prototype: object, { file, bundled }: Expected): void {
    this.#met.add(prototype);
    const own: unknown = Object.getOwnPropertyDescriptor(prototype, 'constructor')?.value;
    // What is mixed into a class (ioredis) brings a constructor of its own along; hooks ask for the prototype.
    const Class = typeof own === 'function' && own.prototype === prototype ? own : { prototype };
    this.#meetings.meet(file, bundled.as === undefined ? Class : { [bundled.as]: Class });
  }
}

function prototypeOf(value: object): object | null {
  return Object.getPrototypeOf(value) as object | null;
}

/** No getter is asked. */
function hasOwnMethods(prototype: object, names: readonly string[]): boolean {
  return names.every((name) => typeof Object.getOwnPropertyDescriptor(prototype, name)?.value === 'function');
}
