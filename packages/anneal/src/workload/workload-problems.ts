import { stepName } from './compiled-workload.ts';
import { parseJsonPath } from './json-path.ts';
import { jsonTemplate, pathTemplate } from './template.ts';
import { thresholdProblems } from './thresholds.ts';
import type { Executor, Step, Variable, Workload } from './workload.ts';

/** All that is wrong with a workload, each a sentence that names the place; empty when it can run. */
export function validateWorkload(workload: Workload): readonly string[] {
  const stepNames = workload.scenarios.flatMap((scenario) => scenario.steps.map(stepName));
  return [
    ...(Number.isSafeInteger(workload.seed) ? [] : [`seed: ${workload.seed} is not a whole number`]),
    ...validateExecutor(workload.executor),
    ...recordingProblems(workload),
    ...scenarioProblems(workload),
    ...Object.entries(workload.variables).flatMap(([name, variable]) => variableProblems(name, variable)),
    ...loginProblems(workload),
    ...thresholdProblems(workload.thresholds, stepNames),
  ];
}

export function validateExecutor(executor: Executor): readonly string[] {
  const problems: string[] = [];
  const require = (holds: boolean, problem: string) => {
    if (!holds) problems.push(`executor ${executor.type}: ${problem}`);
  };
  switch (executor.type) {
    case 'constant-arrival-rate':
      require(isPositive(executor.ratePerSecond), `ratePerSecond ${executor.ratePerSecond} is not above 0`);
      break;
    case 'recorded-arrivals': {
      const { arrivals, lengthMs, speed = 1 } = executor;
      require(arrivals.length > 0, 'it has no arrivals');
      require(isPositive(lengthMs), `lengthMs ${lengthMs} is not above 0`);
      require(isPositive(speed), `speed ${speed} is not above 0`);
      require(arrivals.every(
        ({ atMs }, index) => atMs >= (arrivals[index - 1]?.atMs ?? 0) && atMs < lengthMs,
      ), 'its arrivals are not in order between 0 and lengthMs');
      break;
    }
    case 'constant-vus':
      require(isCount(executor.vus) && executor.vus > 0, `vus ${executor.vus} is not a whole number above 0`);
      break;
    case 'ramping-arrival-rate': {
      const rates = [executor.startRatePerSecond, ...executor.stages.map((stage) => stage.targetRatePerSecond)];
      for (const rate of rates) require(isNotNegative(rate), `the rate ${rate} is not 0 or more`);
      require(rates.some((rate) => rate > 0), 'no stage has a rate above 0');
      break;
    }
    case 'ramping-vus': {
      const levels = [executor.startVus, ...executor.stages.map((stage) => stage.targetVus)];
      for (const level of levels) require(isCount(level), `${level} virtual users is not a whole number`);
      require(levels.some((level) => level > 0), 'no stage has virtual users');
      break;
    }
  }
  if ('stages' in executor) {
    require(executor.stages.length > 0, 'it has no stages');
    for (const stage of executor.stages) require(isNotNegative(stage.durationMs), `durationMs ${stage.durationMs} is not 0 or more`);
    require(executor.stages.length === 0 || executor.stages.some((stage) => stage.durationMs > 0), 'its stages take no time');
  }
  return problems;
}

function recordingProblems({ executor, scenarios }: Workload): readonly string[] {
  if (executor.type !== 'recorded-arrivals') return [];
  const known = new Set(scenarios.filter(({ weight }) => weight > 0).map(({ name }) => name));
  const unknown = new Set(executor.arrivals.map(({ scenario }) => scenario).filter((name) => !known.has(name)));
  return [...unknown].map((name) => `executor recorded-arrivals: no scenario with a weight above 0 is named ${name}`);
}

function scenarioProblems(workload: Workload): readonly string[] {
  const { scenarios } = workload;
  const problems = scenarios.flatMap((scenario) => {
    const where = `scenario ${scenario.name}`;
    const known = new Set(Object.keys(workload.variables));
    return [
      ...(isNotNegative(scenario.weight) ? [] : [`${where}: weight ${scenario.weight} is not 0 or more`]),
      ...(scenario.steps.length > 0 ? [] : [`${where}: it has no steps`]),
      ...scenario.steps.flatMap((step) => {
        const found = stepProblems(`${where}, step ${stepName(step)}`, step, known);
        if (step.authenticated === true && workload.login === null) {
          found.push(`${where}, step ${stepName(step)}: authenticated, but the workload has no login`);
        }
        for (const name of Object.keys(step.capture ?? {})) known.add(name);
        return found;
      }),
    ];
  });
  const names = scenarios.map((scenario) => scenario.name);
  for (const name of new Set(names.filter((name, index) => names.indexOf(name) !== index))) {
    problems.push(`scenario ${name}: two scenarios have this name`);
  }
  if (scenarios.length === 0) problems.unshift('scenarios: there is none');
  else if (!scenarios.some((scenario) => scenario.weight > 0)) problems.unshift('scenarios: none has a weight above 0');
  return problems;
}

function stepProblems(where: string, step: Step, known: ReadonlySet<string>): string[] {
  const problems: string[] = [];
  if (!step.path.startsWith('/')) problems.push(`${where}: the path does not begin with /`);
  // Checked without its holes, which are URL-encoded when they are filled.
  if (/[^\u0021-\u007e]/.test(step.path)) problems.push(`${where}: the path holds characters a URL must encode`);
  const used = [...pathTemplate(step.path).variables, ...(step.body === undefined ? [] : jsonTemplate(step.body).variables)];
  for (const name of new Set(used)) {
    if (!known.has(name)) problems.push(`${where}: {${name}} is neither a variable nor captured by an earlier step`);
  }
  for (const [name, path] of Object.entries(step.capture ?? {})) {
    if (!isName(name)) problems.push(`${where}: "${name}" cannot name a captured value`);
    if (parseJsonPath(path) === null) problems.push(`${where}: capture ${name}: ${path} is not a JSON path such as $.items[0].id`);
  }
  for (const check of step.checks ?? []) {
    if (check.type === 'json-exists' && parseJsonPath(check.path) === null) {
      problems.push(`${where}: check json-exists: ${check.path} is not a JSON path such as $.items[0].id`);
    }
    if (check.type === 'status' && check.in.length === 0) problems.push(`${where}: check status: no status is allowed`);
  }
  if (step.thinkTimeMs !== undefined && !isNotNegative(step.thinkTimeMs)) {
    problems.push(`${where}: thinkTimeMs ${step.thinkTimeMs} is not 0 or more`);
  }
  return problems;
}

function variableProblems(name: string, variable: Variable): readonly string[] {
  const problems: string[] = [];
  if (!isName(name)) problems.push(`variable ${name}: a name is letters, digits and _`);
  switch (variable.type) {
    case 'integer':
      if (!Number.isSafeInteger(variable.min) || !Number.isSafeInteger(variable.max) || variable.min > variable.max) {
        problems.push(`variable ${name}: min ${variable.min} and max ${variable.max} are not whole numbers in order`);
      }
      break;
    case 'one-of':
      if (variable.values.length === 0) problems.push(`variable ${name}: it has no values`);
      break;
    case 'text':
      if (!isCount(variable.words) || variable.words === 0) problems.push(`variable ${name}: words ${variable.words} is not above 0`);
      break;
    case 'sequence':
      if (!variable.template.includes('{n}')) problems.push(`variable ${name}: the template has no {n}, so its values repeat`);
      break;
  }
  return problems;
}

function loginProblems({ login, variables }: Workload): readonly string[] {
  if (login === null) return [];
  return [
    ...(isCount(login.sessions) && login.sessions > 0 ? [] : [`login: sessions ${login.sessions} is not a whole number above 0`]),
    ...(parseJsonPath(login.token) === null ? [`login: token: ${login.token} is not a JSON path such as $.token`] : []),
    ...(login.request.authenticated === true ? ['login: the login request cannot be authenticated itself'] : []),
    ...stepProblems('login', login.request, new Set(Object.keys(variables))),
  ];
}

function isName(text: string): boolean {
  return /^[A-Za-z_]\w*$/.test(text);
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}

function isNotNegative(value: number): boolean {
  return Number.isFinite(value) && value >= 0;
}

function isPositive(value: number): boolean {
  return Number.isFinite(value) && value > 0;
}
