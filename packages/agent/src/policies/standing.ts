import { readFile } from 'node:fs/promises';
import { policiesVariable } from '../channel/agreed.ts';
import type { Observer } from '../observer.ts';
import { tellingOperator } from '../operator.ts';
import type { PolicySummary } from '../protocol.ts';
import type { Policy } from './index.ts';
import type { PoliciesInForce } from './in-force.ts';
import type { InForce } from './policy.ts';

/** How often it is looked whether the application has made the pool that a policy names. */
const lookEveryMs = 1_000;

/** A pool that is made with the first request may be long in coming; from here on its name is more likely a wrong one. */
const longestUntoldLooks = 60;

/**
 * Policies that stay in force without Anneal, because an operator named a file of them in the environment: they have no
 * dead-man switch, and end with the process. A file that cannot be meant puts none of them in force, and the application
 * runs as if there were none; what is wrong is said once on stderr, because nobody else is there to be told.
 */
export class StandingPolicies {
  readonly #path: string;
  readonly #observer: Observer;
  readonly #operator = tellingOperator();
  #inForce: PoliciesInForce | null = null;

  constructor(path: string, observer: Observer) {
    this.#path = path;
    this.#observer = observer;
  }

  all(): readonly InForce<Policy>[] {
    return this.#inForce?.all() ?? [];
  }

  take(): readonly PolicySummary[] {
    return this.#inForce?.take() ?? [];
  }

  /** Reads the file. Never rejects. */
  async begin(): Promise<void> {
    try {
      await this.#begin();
    } catch (error) {
      this.#tell(`no policy is in force: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  async #begin(): Promise<void> {
    const [{ readPolicies, stands }, { PoliciesInForce: InForceHere }, { Permissions, PolicyFlag, sharedFlags }] = await Promise.all([
      import('./forms.ts'),
      import('./in-force.ts'),
      import('./flags.ts'),
    ]);
    const read = readPolicies(JSON.parse(await readFile(this.#path, 'utf8')));
    if ('problem' in read) throw new Error(`${read.problem} (${read.wanted})`);
    const dependent = read.find((policy) => !stands(policy));
    if (dependent !== undefined)
      throw new Error(`a policy of kind ${dependent.kind} cannot act without Anneal: \`anneal hold\` stays beside it`);

    const flags = sharedFlags();
    const permissions = new Permissions(flags);
    const inForce = new InForceHere(
      { observer: this.#observer, drivers: this.#observer.drivers },
      { released: (slot) => permissions.release(slot), ended: (sentence) => this.#tell(sentence), beside: () => [] },
    );
    this.#inForce = inForce;
    for (const [index, policy] of read.entries()) {
      const id = `standing/${index + 1}-${policy.kind}`;
      const apply = () => {
        const slot = permissions.grant(id);
        const reasonAgainst = slot === null ? 'there are too many policies' : inForce.apply(id, policy, new PolicyFlag(flags, slot));
        if (reasonAgainst !== null) this.#tell(`the policy ${id} is not in force: ${reasonAgainst}`);
      };
      if (policy.kind === 'limit-pool-waiting') this.#whenMade(policy.pool, apply);
      else apply();
    }
  }

  #whenMade(pool: string, apply: () => void): void {
    const isMade = () => this.#observer.pools.named(pool) !== undefined;
    if (isMade()) {
      apply();
      return;
    }
    let looks = 0;
    const looking = setInterval(() => {
      looks += 1;
      if (isMade()) {
        clearInterval(looking);
        apply();
      } else if (looks === longestUntoldLooks) this.#tell(`no pool is named ${pool} yet; those there are: ${this.#poolNames()}`);
    }, lookEveryMs).unref();
  }

  #poolNames(): string {
    return [...this.#observer.pools.all()].map(({ name }) => name).join(', ') || 'none';
  }

  #tell(sentence: string): void {
    this.#operator(`${policiesVariable}=${this.#path}: ${sentence}`);
  }
}
