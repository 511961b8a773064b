import { access, mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/**
 * `npm run new rule <domain>/<id>`: writes a rule, its test, a fixture and the line in the domain's
 * list. What it writes type-checks and passes its test; the rule says nothing until it is written.
 */
export async function writeNewRule(root: string, id: string): Promise<readonly string[]> {
  const found = /^([a-z]+)\/([a-z][a-z0-9]*(?:-[a-z0-9]+)*)$/.exec(id);
  if (found === null) throw new RuleRefused(`"${id}" is no rule id: <domain>/<kebab-case>, named for the defect, e.g. queue/poison-job`);
  const [, domain, name] = found as unknown as [string, string, string];
  const folder = join('packages/anneal/src/domains', domain);
  const list = join(folder, 'index.ts');
  if (!(await exists(join(root, list)))) throw new RuleRefused(`there is no domain "${domain}"`);

  const symbol = name.replaceAll(/-([a-z0-9])/g, (_dash, letter: string) => letter.toUpperCase());
  const files = new Map([
    [join(folder, 'rules', `${name}.ts`), ruleText(id, symbol)],
    [join(folder, 'rules', `${name}.test.ts`), testText(id, name, symbol)],
    [join(folder, 'fixtures', `${name}.ts`), fixtureText()],
  ]);
  for (const path of files.keys()) {
    if (await exists(join(root, path))) throw new RuleRefused(`${path} exists: the rule ${id} is there already`);
  }
  files.set(list, listed(await readFile(join(root, list), 'utf8'), name, symbol));
  for (const [path, text] of files) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), text);
  }
  return [...files.keys()];
}

/** The user asked for something that cannot be; nothing was written. */
export class RuleRefused extends Error {}

function listed(text: string, name: string, symbol: string): string {
  const imports = [...text.matchAll(/^import .*;$/gm)].at(-1)!;
  const end = imports.index + imports[0].length;
  const imported = `${text.slice(0, end)}\nimport { ${symbol} } from './rules/${name}.ts';${text.slice(end)}`;
  const changed = imported.replace(/(\brules: \[)([^\]]*?)(,?\s*)\]/, (_whole, open: string, rules: string) =>
    rules.trim() === '' ? `${open}${symbol}]` : `${open}${rules}, ${symbol}]`,
  );
  if (changed === imported) throw new RuleRefused('the list `rules: [...]` of the domain was not found');
  return changed;
}

function ruleText(id: string, symbol: string): string {
  return `import { defineRule, type RuleOutcome } from '../../../finding/finding.ts';

export const ${symbol} = defineRule({
  id: '${id}',
  title: 'The defect in a few words',
  documentation: {
    what: 'What it is.',
    why: 'Why it hurts.',
    threshold: 'From where on it speaks, and the reason for just that.',
    fix: 'What to write instead.',
    falsePositives: 'It is not a defect where ...',
    sources: ['The manual, paper or measurement it rests on'],
  },
  requires: ['agent.routes'],
  diagnose({ 'agent.routes': routes }) {
    return routes.map((route): RuleOutcome => ({
      silent: { subject: \`\${route.method} \${route.route}\`, reason: 'this rule does not judge yet' },
    }));
  },
});
`;
}

function testText(id: string, name: string, symbol: string): string {
  return `import { describe, expect, test } from 'vitest';
import { outcomesOf } from '../../../finding/fixtures/outcomes.ts';
import { healthy, sick } from '../fixtures/${name}.ts';
import { ${symbol} } from './${name}.ts';

describe('${id}', () => {
  // Take \`.fails\` away once the rule judges, and assert location, impact and evidence.
  test.fails('is found in a sick backend', () => {
    expect(outcomesOf(${symbol}, sick).findings).toHaveLength(1);
  });

  test('is not found in a healthy one, with the reason', () => {
    expect(outcomesOf(${symbol}, healthy)).toEqual({ findings: [], reasons: ['this rule does not judge yet'] });
  });
});
`;
}

function fixtureText(): string {
  return `import { aRoute } from '../../../finding/fixtures/observations.ts';

/** What the probes see of a backend that has the defect. */
export const sick = { 'agent.routes': [aRoute({ route: '/orders', requests: 300, totalMs: 60_000 })] };

/** The same backend without it. */
export const healthy = { 'agent.routes': [aRoute({ route: '/orders', requests: 300, totalMs: 3_000 })] };
`;
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

if (import.meta.main) {
  const [what, id, ...more] = process.argv.slice(2);
  try {
    if (what !== 'rule' || id === undefined || more.length > 0) throw new RuleRefused('usage: npm run new rule <domain>/<id>');
    for (const path of await writeNewRule(join(import.meta.dirname, '..'), id)) console.log(path);
    console.error('Next: docs/how-to/write-a-rule.md, then `npm run format` and `make docs`.');
  } catch (error) {
    if (!(error instanceof RuleRefused)) throw error;
    console.error(error.message);
    process.exitCode = 2;
  }
}
