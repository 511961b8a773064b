import { expect, test } from 'vitest';
import { Attribution } from './attribution.ts';

const ms = (value: number) => value * 1000;
const span = (route: string, from: number, to: number) => ({ method: 'GET', route, fromUs: ms(from), toUs: ms(to) });

/** Samples every 10 ms at these moments. */
function share(requests: readonly ReturnType<typeof span>[], windowMs: number, moments: readonly number[]) {
  const attribution = new Attribution({ requests, turnsUs: [] }, 0, ms(windowMs));
  return attribution.routesOf(moments.map((at) => attribution.sampleAt(ms(at), ms(10))));
}

test('a sample taken while one request is open is its route’s, and one while none is open is nobody’s', () => {
  const moments = [...Array.from({ length: 20 }, (_, index) => 5 + 10 * index), 900];
  const routes = share([span('/busy', 0, 200), span('/later', 500, 600)], 1000, moments);
  expect(routes).toHaveLength(1);
  expect(routes[0]).toMatchObject({ route: '/busy' });
  expect(routes[0]!.cpuMs).toBeGreaterThan(190);
  expect(routes[0]!.cpuMs).toBeLessThanOrEqual(200);
});

test('a request that only waits is open during others’ work and gets none of it', () => {
  // Ten requests of 50 ms that compute, one after the other with pauses, beside a poll that is open all the time.
  const computing = Array.from({ length: 10 }, (_, index) => span('/computing', 100 * index, 100 * index + 50));
  const moments = computing.flatMap((_, index) => [0, 1, 2, 3, 4].map((sample) => 100 * index + 5 + 10 * sample));
  const routes = share([...computing, span('/poll', 0, 1000)], 1000, moments);
  expect(routes[0]).toMatchObject({ route: '/computing' });
  expect(routes[0]!.cpuMs).toBeGreaterThan(450);
});

test('two routes that are open together share by what each uses alone', () => {
  const requests = [span('/heavy', 0, 100), span('/light', 200, 300), span('/heavy', 400, 500), span('/light', 400, 500)];
  const alone = Array.from({ length: 10 }, (_, index) => 5 + 10 * index);
  const routes = share(requests, 600, [...alone, 255, ...alone.map((at) => 400 + at)]);
  const [heavy, light] = routes;
  expect(heavy).toMatchObject({ route: '/heavy' });
  expect(heavy!.cpuMs / light!.cpuMs).toBeGreaterThan(5);
});
