import type { Timeline } from './timeline.ts';

/** CPU time of one route. */
interface RouteTime {
  readonly method: string;
  readonly route: string;
  readonly cpuMs: number;
}

/** One sample: how much CPU time it stands for, and which routes were open how often when it was taken. */
export interface OpenSample {
  readonly lastsUs: number;
  readonly open: readonly (readonly [route: number, requests: number])[];
}

/** More rounds change a share by less than a hundredth. */
const rounds = 40;

/**
 * Which routes were open when each sample was taken, and whose CPU time the samples therefore are.
 *
 * Where one request is open the sample is its route's. Where several are, it is shared in proportion to what an open
 * request of each route uses per second, which is what the shares themselves say: expectation and maximisation in turn
 * (Dempster, Laird and Rubin 1977), for samples that come from the open requests, and from work of no request, as
 * independent Poisson processes. An estimate, as sharp as the routes are open at different times.
 */
export class Attribution {
  readonly #names: { readonly method: string; readonly route: string }[] = [];
  /** How long requests of the route were open, added up; the last is the time of the window itself, for work of no request. */
  readonly #exposureUs: number[] = [];
  readonly #requests: readonly { readonly route: number; readonly fromUs: number; readonly toUs: number }[];
  readonly #fromUs: number;
  readonly #toUs: number;
  #next = 0;
  #open: { readonly route: number; readonly toUs: number }[] = [];

  constructor({ requests }: Timeline, fromUs: number, toUs: number) {
    this.#fromUs = fromUs;
    this.#toUs = toUs;
    const indexes = new Map<string, number>();
    this.#requests = requests
      .map(({ method, route, ...span }) => {
        const key = `${method} ${route}`;
        let index = indexes.get(key);
        if (index === undefined) {
          index = this.#names.push({ method, route }) - 1;
          indexes.set(key, index);
          this.#exposureUs.push(0);
        }
        this.#exposureUs[index]! += Math.max(Math.min(span.toUs, toUs) - Math.max(span.fromUs, fromUs), 0);
        return { route: index, ...span };
      })
      .sort((one, other) => one.fromUs - other.fromUs);
  }

  /** Samples are asked for in the order they were taken. */
  sampleAt(atUs: number, lastsUs: number): OpenSample {
    while (this.#next < this.#requests.length && this.#requests[this.#next]!.fromUs <= atUs) this.#open.push(this.#requests[this.#next++]!);
    this.#open = this.#open.filter(({ toUs }) => toUs >= atUs);
    const counts = new Map<number, number>();
    for (const { route } of this.#open) counts.set(route, (counts.get(route) ?? 0) + 1);
    return { lastsUs, open: [...counts] };
  }

  /** The CPU time of these samples by route, most first; what belongs to no request is left out. */
  routesOf(samples: readonly OpenSample[]): readonly RouteTime[] {
    const background = this.#names.length;
    const exposuresUs = [...this.#exposureUs, this.#toUs - this.#fromUs];
    const rates = new Float64Array(background + 1).fill(1);
    const timesUs = new Float64Array(background + 1);
    for (let round = 0; round < rounds; round += 1) {
      timesUs.fill(0);
      for (const { lastsUs, open } of samples) {
        let whole = rates[background]!;
        for (const [route, requests] of open) whole += rates[route]! * requests;
        if (whole === 0) continue;
        const usPerRate = lastsUs / whole;
        timesUs[background]! += rates[background]! * usPerRate;
        for (const [route, requests] of open) timesUs[route]! += rates[route]! * requests * usPerRate;
      }
      for (let route = 0; route <= background; route += 1) rates[route] = timesUs[route]! / Math.max(exposuresUs[route]!, 1);
    }
    return this.#names
      .map((name, route) => ({ ...name, cpuMs: timesUs[route]! / 1000 }))
      .filter(({ cpuMs }) => cpuMs >= 0.001)
      .sort((one, other) => other.cpuMs - one.cpuMs);
  }
}
