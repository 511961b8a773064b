import { EventEmitter } from 'node:events';
import type { BundledClass, LibraryFile } from './library.ts';
import { wrapMethod, type Method } from './patch.ts';

interface Expected {
  readonly file: LibraryFile;
  readonly bundled: BundledClass;
  /** How many classes like it were read of, and have not made an object yet. */
  awaited: number;
}

/** A longer text would be read for more than a tenth of a second: then anything may be in it. */
const longestRead = 16_000_000;

/**
 * Meets libraries that were compiled into a bundle, by whichever bundler, minified or not. What is left of them there
 * are classes with the names of their methods; and clients, pools and servers are event emitters. So a bundle's text
 * only tells what to expect, and is not touched: no line or column of it moves. An expected class is met when it
 * makes its first object, before its own constructor has done anything. While one is awaited, making an emitter takes
 * some 10 ns more; when all have come nothing is left of that.
 */
export class BundledClasses {
  readonly #expected: readonly Expected[];
  readonly #definitions: RegExp;
  readonly #meet: (file: LibraryFile, exported: unknown) => void;
  readonly #met = new WeakSet<object>();
  /** Prototypes that were looked at, and need not be again. */
  #seen = new WeakSet<object>();
  /** Whose subclasses are met too. */
  readonly #bases = new WeakMap<object, Expected>();
  #stopWatching: (() => void) | null = null;

  /** `meet` never throws. */
  constructor(files: readonly LibraryFile[], meet: (file: LibraryFile, exported: unknown) => void) {
    this.#meet = meet;
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
      this.expectAll();
      return;
    }
    // Names are ASCII, so bytes need not be decoded.
    const text = typeof source === 'string' ? source : Buffer.from(source.buffer, source.byteOffset, source.byteLength).toString('latin1');
    for (const { groups, index } of text.matchAll(this.#definitions)) {
      if (text.startsWith('function ', index - 'function '.length)) continue;
      for (const expected of this.#expected) if (expected.bundled.methods[0] === groups?.['name']) this.#await(expected, 1);
    }
  }

  /** For what is loaded without being seen. */
  expectAll(): void {
    for (const expected of this.#expected) this.#await(expected, Number.POSITIVE_INFINITY);
  }

  #await(expected: Expected, times: number): void {
    expected.awaited += times;
    this.#seen = new WeakSet();
    this.#stopWatching ??= wrapMethod(EventEmitter, 'init', (original) => {
      const made = (emitter: object) => this.#made(emitter);
      return function init(this: unknown, options) {
        made(this as object);
        return original.call(this, options);
      } satisfies Method;
    });
  }

  /** From the object's own class up to what is known already. */
  #made(emitter: object): void {
    const derived: object[] = [];
    for (let prototype = prototypeOf(emitter); prototype !== null; prototype = prototypeOf(prototype)) {
      const expected = this.#bases.get(prototype) ?? this.#meetAsExpected(prototype);
      if (expected?.bundled.subclasses === true) for (const subclass of derived) this.#meetClass(subclass, expected);
      if (this.#seen.has(prototype)) return;
      this.#seen.add(prototype);
      derived.push(prototype);
    }
  }

  #meetAsExpected(prototype: object): Expected | undefined {
    if (this.#seen.has(prototype) || this.#met.has(prototype)) return undefined;
    const expected = this.#expected.find(({ bundled, awaited }) => awaited > 0 && hasOwnMethods(prototype, bundled.methods));
    if (expected === undefined) return undefined;
    expected.awaited -= 1;
    this.#meetClass(prototype, expected);
    if (expected.bundled.subclasses === true) this.#bases.set(prototype, expected);
    if (this.#expected.every(({ awaited }) => awaited === 0)) {
      this.#stopWatching?.();
      this.#stopWatching = null;
    }
    return expected;
  }

  #meetClass(prototype: object, { file, bundled }: Expected): void {
    if (this.#met.has(prototype)) return;
    this.#met.add(prototype);
    const own: unknown = Object.getOwnPropertyDescriptor(prototype, 'constructor')?.value;
    // What is mixed into a class (ioredis) brings a constructor of its own along; hooks ask for the prototype.
    const Class = typeof own === 'function' && own.prototype === prototype ? own : { prototype };
    this.#meet(file, bundled.as === undefined ? Class : { [bundled.as]: Class });
  }
}

function prototypeOf(value: object): object | null {
  return Object.getPrototypeOf(value) as object | null;
}

/** No getter is asked. */
function hasOwnMethods(prototype: object, names: readonly string[]): boolean {
  return names.every((name) => typeof Object.getOwnPropertyDescriptor(prototype, name)?.value === 'function');
}
