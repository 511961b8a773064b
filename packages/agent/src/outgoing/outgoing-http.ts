import { templatedPath } from '../requests/templated-path.ts';

/**
 * As many different segments at one place of a service's paths are taken for names of its own; what varies more is
 * data that no pattern shows: slugs, user names, short codes. Hardly an API has more collections under one prefix.
 */
const mostNames = 30;

/** Of all services together; beyond it every new segment counts as data. */
const mostPlaces = 20_000;
const deepestPath = 12;

class Place {
  /** Null once there are too many: then all are data. */
  names: Map<string, Place> | null = new Map();
  data: Place | null = null;
}

/** Names of what HTTP calls ask for, without what they ask about: no query, and no segment that varies. */
export class HttpOperations {
  readonly #roots = new Map<string, Place>();
  #places = 0;

  /** `GET /users/:id` of `GET /users/ada?fields=name`. */
  nameOf(peer: string, method: string, path: string): string {
    let place = this.#roots.get(peer);
    if (place === undefined) {
      place = new Place();
      if (this.#places < mostPlaces) {
        this.#places += 1;
        this.#roots.set(peer, place);
      }
    }
    const segments = templatedPath(path).split('/');
    for (let at = 1; at < segments.length; at += 1) {
      if (at >= deepestPath) {
        segments.length = at;
        break;
      }
      place = this.#next(place, segments, at);
    }
    return `${method} ${segments.join('/')}`;
  }

  #next(place: Place, segments: string[], at: number): Place {
    const segment = segments[at]!;
    if (segment !== ':id' && place.names !== null) {
      const known = place.names.get(segment);
      if (known !== undefined) return known;
      if (place.names.size < mostNames && this.#places < mostPlaces) {
        this.#places += 1;
        const fresh = new Place();
        place.names.set(segment, fresh);
        return fresh;
      }
      place.names = null;
    }
    segments[at] = ':id';
    place.data ??= new Place();
    return place.data;
  }
}

/** Answers after which a client tries again: the server's own faults, and those it asks to be tried later (RFC 9110, 15.5.9 and RFC 6585, 4). */
export function failedStatus(status: number): boolean {
  return status >= 500 || status === 429 || status === 408;
}
