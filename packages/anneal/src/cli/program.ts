import { existsSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { Command, Option } from 'commander';
import { AnnealError, exitCodes, type ExitCode } from '../errors.ts';
import {
  annealVersion,
  demo,
  diagnose,
  history,
  load,
  measure,
  optimize,
  recover,
  renderText,
  report,
  rollback,
  type Assessment,
  type CallOptions,
  type RecoveryReport,
} from '../index.ts';
import { addAdviseCommand } from './advise.ts';
import { addCheckCommand } from './check.ts';
import { addHoldCommand } from './hold.ts';
import { addImportCommand, addRecordCommand } from './import.ts';
import { configTemplate, detectProject } from './init.ts';
import {
  ledgerPlaceOf,
  positive,
  settingsOf,
  withAttachOption,
  withLedgerOptions,
  withOutputOptions,
  withTargetOptions,
  type LedgerOptions,
  type OutputOptions,
  type TargetOptions,
} from './options.ts';
import { terminalProgress } from './progress.ts';
import { addSnapshotCommand } from './snapshot.ts';
import { addTryCommand } from './try.ts';
import { historyTable } from './history-table.ts';

export interface Program {
  readonly command: Command;
  run(argv: readonly string[]): Promise<ExitCode>;
}

const levels = ['error', 'warning', 'note'] as const;

export function createProgram(signal: AbortSignal): Program {
  let exitCode: ExitCode = exitCodes.done;
  const program = new Command('anneal')
    .description(
      'A performance engineer for backends: measures a backend under its own traffic, finds what holds it back with evidence ' +
        'to file and line, tries each fix on a copy beside the original, and keeps it only if it is faster and answers the same.',
    )
    .version(annealVersion)
    .exitOverride()
    .showHelpAfterError('(anneal --help lists the commands)')
    .addHelpText('after', epilogue);

  const callOptions = (options: OutputOptions): CallOptions => ({
    progress: terminalProgress(process.stderr, { quiet: options.quiet === true }),
    signal,
  });
  const print = (assessment: Assessment, options: OutputOptions) => {
    process.stdout.write(options.json === true ? jsonDocument(assessment) : renderText(assessment, process.stdout));
    if (assessment.thresholds.some((threshold) => !threshold.holds)) exitCode = exitCodes.gateFailed;
  };

  program
    .command('init')
    .description('look at this project and write anneal.config.ts')
    .option('--force', 'replace an existing configuration')
    .action((options: { readonly force?: boolean }) => {
      const path = join(process.cwd(), 'anneal.config.ts');
      if (existsSync(path) && options.force !== true) {
        throw new AnnealError('ANNEAL_USAGE', { problem: 'anneal.config.ts exists already; --force replaces it', command: 'init' });
      }
      const project = detectProject(process.cwd());
      writeFileSync(path, configTemplate(project));
      const found = [project.framework, project.databaseLibrary, project.databaseUrlVariable].filter((fact) => fact !== null);
      process.stdout.write(
        `Wrote anneal.config.ts${found.length > 0 ? ` (found ${found.join(', ')})` : ''}.\n` +
          'Check the start command and the list of URLs, then run: anneal diagnose\n',
      );
    });

  addImportCommand(program);
  addRecordCommand(program, callOptions);

  withAttachOption(
    withTargetOptions(program.command('measure').description('run the workload once and print what it saw; changes nothing')),
  ).action(async (options: TargetOptions) => {
    print(await measure(await settingsOf(options), callOptions(options)), options);
  });

  withAttachOption(
    withTargetOptions(program.command('diagnose').description('measure, then say what holds the backend back; changes nothing')),
  )
    .addOption(new Option('--fail-on <level>', 'exit 1 when a finding of this level or above stands').choices(levels))
    .action(async (options: TargetOptions & { readonly failOn?: (typeof levels)[number] }) => {
      const assessment = await diagnose(await settingsOf(options), callOptions(options));
      print(assessment, options);
      const gate = options.failOn === undefined ? [] : levels.slice(0, levels.indexOf(options.failOn) + 1);
      if (assessment.findings.some((finding) => gate.includes(finding.level))) exitCode = exitCodes.gateFailed;
    });

  addCheckCommand(program, callOptions, (code) => (exitCode = code));

  addSnapshotCommand(program, callOptions);
  addAdviseCommand(program, callOptions);

  withTargetOptions(program.command('optimize').description('diagnose, try every remedy on copies, keep what is proven'))
    .option('--dry-run', 'prove on copies and leave the database itself as it is')
    .addOption(
      new Option('--within <minutes>', 'begin no trial later than so long after the start; what is worth most is tried first').argParser(
        positive('--within'),
      ),
    )
    .action(async (options: TargetOptions & { readonly dryRun?: boolean }) => {
      print(await optimize(await settingsOf(options), { ...callOptions(options), dryRun: options.dryRun === true }), options);
    });

  addTryCommand(program, callOptions, print, (code) => (exitCode = code));

  addHoldCommand(program, callOptions);

  withAttachOption(
    withTargetOptions(program.command('load').description('put the workload on the backend and check its thresholds')),
  ).action(async (options: TargetOptions) => {
    print(await load(await settingsOf(options), callOptions(options)), options);
  });

  withLedgerOptions(
    program
      .command('rollback')
      .description('undo kept changes on the database they were applied to, and end proven policies wherever they are held'),
  )
    .argument('[ids...]', 'trial ids as `anneal history` lists them')
    .option('--all', 'undo every kept change')
    .action(async (ids: readonly string[], options: LedgerOptions & { readonly all?: boolean }) => {
      if ((ids.length === 0) === (options.all !== true)) {
        throw new AnnealError('ANNEAL_USAGE', { problem: 'name the changes to undo, or give --all', command: 'rollback' });
      }
      const { rolledBack } = await rollback(await ledgerPlaceOf(options), options.all === true ? 'all' : ids, callOptions(options));
      const lines = rolledBack.map((change) => `undone: ${change.trialId} ${change.description.title}\n`);
      process.stdout.write(options.json === true ? jsonDocument(rolledBack) : lines.join('') || 'nothing to undo\n');
    });

  withLedgerOptions(program.command('history').description('list runs, trials, verdicts and what is kept')).action(
    async (options: LedgerOptions) => {
      const { outputFolder } = await ledgerPlaceOf(options);
      const entries = await history(outputFolder);
      process.stdout.write(options.json === true ? jsonDocument(entries) : historyTable(entries));
    },
  );

  withLedgerOptions(program.command('recover').description('undo what an interrupted run left behind')).action(
    async (options: LedgerOptions) => {
      const { runs } = await recover(await ledgerPlaceOf(options), callOptions(options));
      process.stdout.write(options.json === true ? jsonDocument(runs) : recoveryText(runs));
    },
  );

  withLedgerOptions(program.command('report').description('print a run again and say where its files are'))
    .argument('[run]', 'run id; default: the latest')
    .action(async (run: string | undefined, options: LedgerOptions) => {
      const { outputFolder } = await ledgerPlaceOf(options);
      print(await report(outputFolder, run ?? null), options);
      process.stderr.write(
        `${relative(process.cwd(), join(outputFolder, run === undefined ? 'latest' : join('runs', run), 'report.html'))}\n`,
      );
    });

  withOutputOptions(program.command('demo').description('the whole loop on the laboratory backend (needs a checkout of the repository)'))
    .option('--size <factor>', 'size of the data, 1 to 10', Number, 1)
    .action(async (options: OutputOptions & { readonly size: number }) => {
      print(await demo({ ...callOptions(options), size: options.size }), options);
    });

  return {
    command: program,
    async run(argv) {
      await program.parseAsync([...argv]);
      return exitCode;
    },
  };
}

function jsonDocument(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}

function recoveryText(runs: RecoveryReport['runs']): string {
  if (runs.length === 0) return 'nothing to recover\n';
  return runs
    .map(({ run, processesEnded, databasesDropped, foldersRemoved, reverted }) => {
      const undone = [
        ...processesEnded.map((role) => `ended the process of the ${role}`),
        ...reverted.map((change) => `took back ${change.trialId} (${change.remedyId})`),
        ...databasesDropped.map((name) => `dropped the copy ${name}`),
        ...foldersRemoved.map((path) => `removed the copy ${relative(process.cwd(), path)}`),
      ];
      return `${run}: ${undone.length === 0 ? 'nothing was left behind' : undone.join(', ')}\n`;
    })
    .join('');
}

const epilogue = `
Start here:
  anneal init                       write a configuration for this project
  anneal import access.log          make a workload of recorded traffic
  anneal diagnose                   what holds it back, and where
  anneal optimize                   try, prove, keep
  anneal hold                       keep proven policies in force beside the backend
  anneal try --patch fix.diff       prove a change of your own
  anneal check database             look at the database alone, without a load
  anneal rollback --all             take everything back

Without a configuration:
  DATABASE_URL=postgres://... anneal optimize --start "node app.js" --url /users/1 --url "/orders?page=2"

Exit codes: 0 done · 1 a gate failed · 2 usage or configuration · 3 inconclusive · 4 blocked ·
5 apply failed and was rolled back · 6 rollback incomplete · 70 a bug in Anneal · 130/143 interrupted
`;
