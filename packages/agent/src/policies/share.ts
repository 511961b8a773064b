/**
 * Which of the requests a policy acts on that is given a share of the traffic. A request's place is drawn when the first
 * such policy meets it, and kept with it: asked again it is told the same, and of two policies that meet it by the same
 * handle the smaller share is a part of the larger one, so that a canary is the same requests for both.
 */
const places = new WeakMap<object, number>();

/**
 * Null for all of the traffic: then nothing is drawn, and nobody has to know whose request it is. Otherwise true where the
 * policy acts; null, what no request asked for, is no traffic of which there could be a share.
 */
export function drawOf(share: number): Draw | null {
  if (share === 1) return null;
  return (request) => {
    if (request === null) return false;
    let place = places.get(request);
    if (place === undefined) {
      place = Math.random();
      places.set(request, place);
    }
    return place < share;
  };
}

/** By what the policy meets a request as: the one that came in, or the agent's own record of it. */
export type Draw = (request: object | null) => boolean;
