/** What both ends must know before they can talk; apart from the rest, because every Node process below a target loads it. */

export const protocolVersion = 1;

/** The environment variable that names the socket; without it the agent stays off. */
export const socketVariable = 'ANNEAL_SOCKET';

/** The environment variable that names a file of policies to be in force without Anneal: an operator's consent. */
export const policiesVariable = 'ANNEAL_POLICIES';

/** The environment variable that names the socket at which `anneal hold` may come and go: an operator's consent. */
export const holdVariable = 'ANNEAL_HOLD';

/** How long Anneal may be silent while policies are in force. It sends a heartbeat three times as often. */
export const silenceMs = 3000;
