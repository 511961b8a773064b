import { mkdir, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

/** One figure of a benchmark. `holds` is not here: it is computed from `value` and `target`. */
export interface BenchRow {
  readonly name: string;
  /** NaN when it could not be measured; such a row never holds. */
  readonly value: number;
  readonly unit: string;
  /** What the value must satisfy, e.g. `<= 0.5`; null for a figure that is told and not judged. */
  readonly target: `${'<=' | '>='} ${number}` | null;
  /** The same figure of other tools, same unit; null for one that is not on this machine. */
  readonly peers: Readonly<Record<string, number | null>>;
}

export interface BenchResult extends BenchRow {
  readonly holds: boolean;
}

/** Prints the rows as a table on stdout and writes them to `bench/results/<name>.json`. */
export async function writeBenchResults(name: string, rows: readonly BenchRow[]): Promise<readonly BenchResult[]> {
  const results = rows.map((row) => ({
    name: row.name,
    value: row.value,
    unit: row.unit,
    target: row.target,
    holds: meets(row.value, row.target),
    peers: row.peers,
  }));
  const folder = fileURLToPath(new URL('results/', import.meta.url));
  await mkdir(folder, { recursive: true });
  await writeFile(`${folder}${name}.json`, `${JSON.stringify(results, null, 2)}\n`);
  console.log(formatTable(results));
  return results;
}

function meets(value: number, target: BenchRow['target']): boolean {
  if (target === null) return Number.isFinite(value);
  const bound = Number(target.slice(3));
  return target.startsWith('<=') ? value <= bound : value >= bound;
}

function formatTable(results: readonly BenchResult[]): string {
  const lines = [
    ['', 'value', 'unit', 'target', 'holds', 'peers'],
    ...results.map((row) => [
      row.name,
      figure(row.value),
      row.unit,
      row.target ?? '',
      row.target === null ? '' : row.holds ? 'yes' : 'NO',
      peerList(row.peers),
    ]),
  ];
  const widths = lines[0]!.map((_, column) => Math.max(...lines.map((line) => line[column]!.length)));
  return lines
    .map((line) =>
      line
        .map((cell, column) => cell.padEnd(widths[column]!))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

function peerList(peers: BenchRow['peers']): string {
  return Object.entries(peers)
    .map(([peer, value]) => `${peer} ${value === null ? 'not on this machine' : figure(value)}`)
    .join(', ');
}

/** Four significant digits are more than any of these figures repeats to. */
function figure(value: number): string {
  return Number.isFinite(value) ? String(Number(value.toPrecision(4))) : 'not measured';
}
