import { AnnealError } from '../errors.ts';
import type { Step, Workload } from './workload.ts';

/**
 * A workload from a plain list, one line per request: `/users?page=2`, `GET /users/1` or
 * `POST /users {"name":"Ada"}`. Every line is as likely as the others; a line that stands there
 * twice is twice as likely. Braces in a path are taken literally.
 *
 * Throws ANNEAL_WORKLOAD_INVALID with every line that cannot be read, ANNEAL_WORKLOAD_EMPTY without any.
 */
export function workloadFromUrls(
  urls: readonly string[],
  options: { readonly ratePerSecond: number; readonly seed: number; readonly name?: string },
): Workload {
  const name = options.name ?? 'urls';
  const weights = new Map<string, number>();
  for (const line of urls.map((url) => url.trim()).filter((url) => url !== '')) weights.set(line, (weights.get(line) ?? 0) + 1);
  if (weights.size === 0) throw new AnnealError('ANNEAL_WORKLOAD_EMPTY', { name, problem: 'the list of URLs is empty' });

  const steps = [...weights].map(([line, weight]) => ({ line, weight, step: stepFromLine(line) }));
  const unreadable = steps.filter(({ step }) => step === null).map(({ line }) => `"${line}"`);
  if (unreadable.length > 0) {
    const problem = `not of the form "/path", "GET /path" or 'POST /path {"json":1}': ${unreadable.join(', ')}`;
    throw new AnnealError('ANNEAL_WORKLOAD_INVALID', { name, problem });
  }
  return {
    name,
    seed: options.seed,
    // Independent clients arrive at random: even spacing would hide the queueing that real traffic causes.
    executor: { type: 'constant-arrival-rate', ratePerSecond: options.ratePerSecond, arrivals: 'poisson' },
    // Named by place and not by line: names reach reports, and what a line sends must not.
    scenarios: steps.map(({ weight, step }, index) => ({ name: `${index + 1}. ${step!.method} ${step!.path}`, weight, steps: [step!] })),
    variables: {},
    login: null,
    thresholds: {},
  };
}

/** Null when the line cannot be read. */
function stepFromLine(line: string): Step | null {
  const groups = /^(?:(?<method>GET|POST|PUT|PATCH|DELETE)\s+)?(?<path>\/\S*)(?:\s+(?<body>.+))?$/i.exec(line)?.groups;
  if (groups === undefined) return null;
  const step = {
    method: (groups['method']?.toUpperCase() ?? 'GET') as Step['method'],
    path: groups['path']!.replaceAll('{', '%7B').replaceAll('}', '%7D'),
  };
  if (groups['body'] === undefined) return step;
  try {
    return { ...step, body: JSON.parse(groups['body']) as unknown };
  } catch {
    return null;
  }
}
