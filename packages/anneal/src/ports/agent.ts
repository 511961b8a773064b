import type { AgentHello, AgentSummary, Policy, PolicyTerms, Recording, ToggledBlock, Toggling } from '@anneal/agent/protocol';

/** One connected agent, as the rest of Anneal sees it. */
export interface AgentControl {
  readonly hello: AgentHello;
  /** Everything seen since the last flush. Throws ANNEAL_AGENT_LOST when the agent is gone. */
  flush(): Promise<AgentSummary>;
  /** Takes a CPU profile from now until the next `flush`, whose summary carries it. */
  startProfile(): Promise<void>;
  /** Resolves when the policy is in force on these terms; throws ANNEAL_POLICY_REFUSED with the agent's reason. */
  apply(id: string, policy: Policy, terms?: PolicyTerms): Promise<void>;
  /**
   * Resolves when the policy acts, or no longer acts and has let go of what it held; it stays in force. Off is in effect
   * before that, also in a process that is too busy to confirm. Throws ANNEAL_POLICY_REFUSED when it is not in force.
   */
  switch(id: string, on: boolean): Promise<void>;
  /**
   * Proof in the live process, under whatever traffic it has: the agent switches the policy itself, in pairs of blocks.
   * Throws ANNEAL_POLICY_REFUSED when it ends or is switched meanwhile. Asked to toggle nothing, it shows the noise floor.
   */
  toggle(toggling: Toggling): Promise<readonly ToggledBlock[]>;
  /** Tells a policy in force what only Anneal can see; throws ANNEAL_POLICY_REFUSED where it is in force no more. */
  inform(id: string, news: unknown): Promise<void>;
  /** Resolves when the policy is off. Unknown ids are already off. */
  revoke(id: string): Promise<void>;
  /** Notes down a share (0-1) of what the application is asked, at most `most` requests, until `stopRecording`. */
  startRecording(share: number, most: number): Promise<void>;
  stopRecording(): Promise<Recording>;
  /** Ids of policies in force, asked of the agent. */
  policies(): Promise<readonly string[]>;
  /** How many other processes of the target have begun to serve, as the workers of a cluster do, and were turned away: nobody sees what they do. */
  othersUnseen(): number;
}

export interface AgentListener extends AsyncDisposable {
  /** The socket's path, handed to the target as ANNEAL_SOCKET. */
  readonly socketPath: string;
  /** The first agent that says hello; rejects with ANNEAL_AGENT_SILENT after `timeoutMs`. */
  connected(timeoutMs: number): Promise<AgentControl>;
}

export interface Agents {
  /** Listens on a fresh Unix socket in a folder only this user can read. */
  listen(): Promise<AgentListener>;
  /** The `--import` specifier that loads the agent into a Node process. */
  readonly importSpecifier: string;
}

/** Meeting the agents of processes that somebody else starts, each with ANNEAL_HOLD naming the socket. */
export interface Attendance {
  /**
   * Listens at a path of the user's choice, for nobody but this user. `came` is called for every agent that says hello; its
   * second argument resolves when that one has gone. Disposing ends all conversations, and with them every policy.
   *
   * Throws ANNEAL_HOLD_SOCKET when it cannot listen there, also when another Anneal does.
   */
  attend(socketPath: string, came: (agent: AgentControl, gone: Promise<void>) => void): Promise<AsyncDisposable>;
}
