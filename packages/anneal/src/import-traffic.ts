import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { AnnealError } from './errors.ts';
import { trafficFormats } from './workload/recorded/formats.ts';
import type { Traffic } from './workload/recorded/traffic-format.ts';
import { workloadFromTraffic, type Imported, type ImportOptions } from './workload/recorded/workload-from-traffic.ts';

export interface ImportTrafficOptions extends Partial<ImportOptions> {
  /** Id of the format of all files; default: each is recognised. */
  readonly format?: string;
}

/**
 * A workload from recorded or described traffic: HAR files, access logs, OpenAPI documents, k6 scripts, together or alone.
 * Only GET requests are taken unless `writes` is true; credentials and values that look secret never are.
 *
 * Throws ANNEAL_TRAFFIC_UNREADABLE with the file's name, or ANNEAL_WORKLOAD_EMPTY when no request is left.
 */
export async function importTraffic(files: readonly string[], options: ImportTrafficOptions = {}): Promise<Imported> {
  const traffic = await Promise.all(files.map((file) => readTraffic(file, options.format ?? null)));
  const name = options.name ?? basename(files[0] ?? 'imported').replace(/\.[^.]+$/, '');
  const imported = workloadFromTraffic(traffic, {
    name,
    seed: options.seed ?? 1,
    writes: options.writes ?? false,
    origin: options.origin ?? null,
    ratePerSecond: options.ratePerSecond ?? null,
  });
  if (imported !== null) return imported;
  const problems = traffic.flatMap((one) => one.problems);
  throw new AnnealError('ANNEAL_WORKLOAD_EMPTY', {
    name,
    problem: ['none of the requests could be taken over', ...problems, ...(options.writes === true ? [] : ['only GET was asked for'])].join(
      '; ',
    ),
  });
}

async function readTraffic(file: string, formatId: string | null): Promise<Traffic> {
  const fail = (problem: string, cause?: unknown) => new AnnealError('ANNEAL_TRAFFIC_UNREADABLE', { file, problem }, { cause });
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (cause) {
    throw fail(firstLine(cause), cause);
  }
  const format = trafficFormats.find((known) => (formatId === null ? known.recognises(file, text) : known.id === formatId));
  if (format === undefined) {
    const known = trafficFormats.map(({ id }) => id).join(', ');
    throw fail(formatId === null ? `its format is none of ${known}` : `there is no format ${formatId}, only ${known}`);
  }
  try {
    return format.read(text);
  } catch (cause) {
    throw fail(firstLine(cause), cause);
  }
}

/** A parser that shows the place draws it in lines of its own. */
function firstLine(cause: unknown): string {
  const [line = ''] = (cause instanceof Error ? cause.message : String(cause)).split('\n', 1);
  return line.replace(/:$/, '');
}
