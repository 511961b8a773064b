/** What a policy calls a host at any port: a service that is given its port by the system has another one in every run. */
const anyPort = ':*';

/** Whether a call to `host:port` (or `host`, at the scheme's own port) goes to one of these; `host:*` is all of that host's. */
export function peerMatcher(peers: readonly string[]): (peer: string) => boolean {
  const named = new Set(peers);
  if (!peers.some((peer) => peer.endsWith(anyPort))) return (peer) => named.has(peer);
  return (peer) => named.has(peer) || named.has(peer.replace(/(?::\d+)?$/, anyPort));
}

/** Whether there is a call that goes to one of both. */
export function meet(one: readonly string[], other: readonly string[]): boolean {
  return one.some(peerMatcher(other)) || other.some(peerMatcher(one));
}
