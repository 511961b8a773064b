import { AnnealError } from '../errors.ts';
import { seededRandom } from '../stats/random.ts';
import { judgeAnswer } from './answer-checks.ts';
import { compileStep } from './compiled-workload.ts';
import type { HttpClient } from './http-client.ts';
import { parseJsonPath, readJsonPath } from './json-path.ts';
import { drawValue } from './variable-values.ts';
import type { Login, Workload } from './workload.ts';

/**
 * Opens the login's sessions and gives their bearer tokens, in order; none without a login. The values in session n's request
 * depend on the seed and n alone. Throws ANNEAL_LOGIN_FAILED. Tokens stay in memory: they are never
 * logged nor part of an error.
 */
export async function openSessions({ login, variables }: Workload, client: HttpClient, seed: number): Promise<readonly string[]> {
  const tokens: string[] = [];
  if (login === null) return tokens;
  // A login is made to be slow (password hashing): a few at a time, so that opening sessions is not a load test of its own.
  for (let first = 0; first < login.sessions; first += loginsAtOnce) {
    const numbers = Array.from({ length: Math.min(loginsAtOnce, login.sessions - first) }, (_, offset) => first + offset);
    tokens.push(...(await Promise.all(numbers.map((number) => openSession(login, variables, client, seed, number)))));
  }
  return tokens;
}

const loginsAtOnce = 4;

async function openSession(
  login: Login,
  variables: Workload['variables'],
  client: HttpClient,
  seed: number,
  number: number,
): Promise<string> {
  const step = compileStep(login.request, 0, false);
  const random = seededRandom(seed, `login/${number}`);
  const used = new Set([...step.path.variables, ...(step.body?.variables ?? [])]);
  const values: Record<string, unknown> = {};
  for (const [name, variable] of Object.entries(variables)) {
    if (used.has(name)) values[name] = drawValue(variable, random, number + 1);
  }
  const { method, headers } = step;
  const answer = await client.send({ method, path: step.path.render(values), headers, body: step.body?.render(values) ?? null }, true);
  if (answer.error !== null) throw failed(`${step.name} got no answer (${answer.error})`);
  if (judgeAnswer(step, answer).failedChecks > 0) throw failed(`${step.name} answered ${answer.status}`);
  const token = readJsonPath(parseBody(answer.body), parseJsonPath(login.token)!);
  if (typeof token !== 'string' || token === '') throw failed(`the answer of ${step.name} holds no text at ${login.token}`);
  return token;
}

function failed(problem: string): AnnealError {
  return new AnnealError('ANNEAL_LOGIN_FAILED', { problem });
}

function parseBody(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}
