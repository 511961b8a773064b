/**
 * A policy's trial has both states in one process: nothing differs but the policy, neither how a process was compiled nor where
 * its memory lies. What is switched are whole slices of load, and not the agent's own blocks of some 150 ms (`AgentControl.toggle`,
 * which proves under traffic that is not ours to send twice): both slices of a round send the same requests, their latency
 * counts from when they were due, and the database's figures are read between them. Inside a process nobody sees what a request
 * waited before it was read, so a policy that blocks the event loop would look harmless there.
 */
import { AnnealError } from '../errors.ts';
import type { AgentControl } from '../ports/agent.ts';
import type { TriedChange } from './planned-change.ts';
import type { TakenSlice } from './slice.ts';

/** Two that wait for a third are the least that shows whether those who wait are given what is theirs. */
export const readsTogether = 3;

/** The policies that a trial of these changes switches; null where two processes are compared. */
export function toggledPolicies(changes: readonly TriedChange[]): readonly string[] | null {
  const ids = changes.flatMap(({ remedy, plan }) => remedy.toggles?.(plan) ?? []);
  return ids.length > 0 && ids.length === changes.length ? ids : null;
}

/** Null when all of them are switched; else why one is not in force any more, in the agent's words. */
export async function switchPolicies(agent: AgentControl | null, ids: readonly string[], on: boolean): Promise<string | null> {
  try {
    for (const id of ids) await agent?.switch(id, on);
    return null;
  } catch (error) {
    if (error instanceof AnnealError && error.code === 'ANNEAL_POLICY_REFUSED') return error.message;
    throw error;
  }
}

/** Two states that were the same show nothing of the policy, however equal they look. Null: each of them did something. */
export function neverActed(ids: readonly string[], acted: ReadonlySet<string>): string | null {
  const idle = ids.find((id) => !acted.has(id));
  return idle === undefined ? null : `the policy ${idle} met nothing to act on in any slice`;
}

/** A slice in which the policy was not what it was switched to shows nothing: Anneal was silent too long, or the policy ended. */
export function wronglySwitched(ids: readonly string[], baseline: TakenSlice, candidate: TakenSlice): readonly string[] {
  return [
    ...ids.filter((id) => baseline.policiesOn.has(id)).map((id) => `baseline: the policy ${id} was on`),
    ...ids.filter((id) => !candidate.policiesOn.has(id)).map((id) => `candidate: the policy ${id} was off`),
  ];
}
