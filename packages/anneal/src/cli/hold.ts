import { resolve } from 'node:path';
import { Option, type Command } from 'commander';
import { hold, type CallOptions, type HeldOutcome } from '../index.ts';
import { ledgerPlaceOf, positive, withLedgerOptions, type LedgerOptions, type OutputOptions } from './options.ts';

interface HoldCommandOptions extends LedgerOptions {
  readonly for?: number;
  readonly socket?: string;
}

/** `anneal hold`: what was proven, in force where the backend is used. */
export function addHoldCommand(program: Command, callOptions: (options: OutputOptions) => CallOptions): void {
  withLedgerOptions(
    program
      .command('hold')
      .description(
        'keep proven policies in force in a backend that somebody else starts (with ANNEAL_HOLD and the agent); Ctrl-C switches them off',
      ),
  )
    .argument('[ids...]', 'trial ids as `anneal history` lists them; default: all that the latest `anneal optimize` proved')
    .addOption(new Option('--for <minutes>', 'how long; default: until it is ended').argParser(positive('--for')))
    .addOption(
      new Option('--socket <path>', 'where the backend meets it: the same as its ANNEAL_HOLD (default hold.sock beside the ledger)').env(
        'ANNEAL_HOLD',
      ),
    )
    .action(async (ids: readonly string[], options: HoldCommandOptions) => {
      const outcomes = await hold(await ledgerPlaceOf(options), {
        ...callOptions(options),
        ids,
        durationMs: options.for === undefined ? null : options.for * 60_000,
        ...(options.socket === undefined ? {} : { socketPath: resolve(options.socket) }),
      });
      process.stdout.write(options.json === true ? `${JSON.stringify(outcomes, null, 2)}\n` : outcomes.map(inWords).join(''));
    });
}

function inWords({ trialId, title, ended, processes, figures }: HeldOutcome): string {
  const done = Object.entries(figures).filter(([, value]) => value > 0);
  const where = processes === 0 ? 'met no process' : `in force in ${processes} process${processes === 1 ? '' : 'es'}`;
  const figured = done.length === 0 ? '' : ` (${done.map(([name, value]) => `${name} ${value}`).join(', ')})`;
  return `${trialId} ${title}: ${where}${figured}; ${ended === null ? 'off now' : `ended: ${ended}`}\n`;
}
