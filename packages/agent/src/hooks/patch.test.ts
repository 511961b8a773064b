import { expect, test } from 'vitest';
import { Observer } from '../observer.ts';
import { PassingReplacement, wrapMethod } from './patch.ts';

class Driver {
  query(): readonly string[] {
    return ['driver'];
  }
}

/** A driver of its own, with what the agent has on it. */
function driverWithAgent() {
  class Loaded extends Driver {
    override query() {
      return super.query();
    }
  }
  const methodOf = (): unknown => Reflect.get(Loaded.prototype, 'query');
  const own = methodOf();
  const observer = new Observer();
  observer.whileOnAndAtFirst(new PassingReplacement(Loaded.prototype, 'query', telling('agent')));
  return { Loaded, own, methodOf, observer };
}

const telling = (name: string) => (original: (this: unknown) => unknown) =>
  function query(this: unknown) {
    return [name, ...(original.call(this) as readonly string[])];
  };

test('a reference that is kept from the beginning is met in every observation, and off is the library itself', () => {
  const { Loaded, own, methodOf, observer } = driverWithAgent();
  const driver = new Loaded();
  const kept = driver.query.bind(driver);
  expect(kept()).toEqual(['agent', 'driver']);
  observer.switch(true);
  expect([kept(), driver.query()]).toEqual([
    ['agent', 'driver'],
    ['agent', 'driver'],
  ]);
  observer.switch(false);
  expect(methodOf()).toBe(own);
  expect(kept()).toEqual(['agent', 'driver']);
  observer.switch(true);
  expect([kept(), driver.query()]).toEqual([
    ['agent', 'driver'],
    ['agent', 'driver'],
  ]);
  observer.switch(false);
  expect(methodOf()).toBe(own);
});

test('once there are policies it stays under them, whoever observes', () => {
  const { Loaded, own, methodOf, observer } = driverWithAgent();
  observer.switch(true);
  observer.switch(false);
  observer.actsToo();
  const revoke = wrapMethod(Loaded.prototype, 'query', telling('policy'))!;
  for (const on of [true, false, true]) {
    observer.switch(on);
    expect(new Loaded().query()).toEqual(['policy', 'agent', 'driver']);
  }
  observer.switch(false);
  expect(revoke()).toBe(true);
  expect(new Loaded().query()).toEqual(['agent', 'driver']);
  expect(methodOf()).not.toBe(own);
});

test('what is loaded after policies came stays too', () => {
  const observer = new Observer();
  observer.actsToo();
  class Late extends Driver {}
  observer.whileOnAndAtFirst(new PassingReplacement(Late.prototype, 'query', telling('agent')));
  observer.switch(true);
  observer.switch(false);
  expect(new Late().query()).toEqual(['agent', 'driver']);
  expect(new Driver().query()).toEqual(['driver']);
});
