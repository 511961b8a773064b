export type Method = (this: unknown, ...args: unknown[]) => unknown;

/**
 * Replaces a method by one made from it. Name, length and the property's visibility stay, so that
 * the application cannot tell by looking. False when the owner has no such method.
 */
export function patchMethod(owner: object, name: string, make: (original: Method) => Method): boolean {
  const original: unknown = Reflect.get(owner, name);
  if (typeof original !== 'function') return false;
  const own = Object.getOwnPropertyDescriptor(owner, name);
  const replacement = make(original as Method);
  Object.defineProperty(replacement, 'name', { value: original.name, configurable: true });
  Object.defineProperty(replacement, 'length', { value: original.length, configurable: true });
  Object.defineProperty(owner, name, {
    value: replacement,
    writable: true,
    configurable: true,
    enumerable: own?.enumerable ?? false,
  });
  return true;
}

/**
 * The same for as long as it is wanted: the function returned takes the replacement away again, unless somebody has replaced
 * it in turn, and says whether it is gone. Null when the owner has no such method.
 */
export function wrapMethod(owner: object, name: string, make: (original: Method) => Method): (() => boolean) | null {
  const before = Object.getOwnPropertyDescriptor(owner, name);
  if (!patchMethod(owner, name, make)) return null;
  const replacement: unknown = Reflect.get(owner, name);
  return () => {
    if (Reflect.get(owner, name) !== replacement) return false;
    if (before === undefined) Reflect.deleteProperty(owner, name);
    else Object.defineProperty(owner, name, before);
    return true;
  };
}

/** A method that is replaced at times. Where somebody else has replaced it in turn it stays, and is not replaced twice. */
export class PassingReplacement {
  readonly #owner: object;
  readonly #name: string;
  readonly #make: (original: Method) => Method;
  #takeAway: (() => boolean) | null = null;
  #stays = false;

  constructor(owner: object, name: string, make: (original: Method) => Method) {
    this.#owner = owner;
    this.#name = name;
    this.#make = make;
  }

  switch(inPlace: boolean): void {
    if (inPlace) this.#takeAway ??= wrapMethod(this.#owner, this.#name, this.#make);
    else if (!this.#stays && this.#takeAway?.() === true) this.#takeAway = null;
  }

  /** From now on it is in place for good. */
  stay(): void {
    this.#stays = true;
    this.switch(true);
  }
}

/**
 * Tells of each object a class makes, with its maker on the stack: when the constructor sets that property. The class
 * itself need not be replaced, which others may hold already; the property is a plain one from then on.
 */
export function whenMade(prototype: object, property: string, made: (object: object, value: unknown) => void): void {
  Object.defineProperty(prototype, property, {
    get: () => undefined,
    set(this: object, value: unknown) {
      Object.defineProperty(this, property, { value, writable: true, enumerable: true, configurable: true });
      made(this, value);
    },
    configurable: true,
  });
}
