import { createProgram } from '../packages/anneal/src/cli/program.ts';
import { configJsonSchema } from '../packages/anneal/src/config.ts';
import { mysqlRules } from '../packages/anneal/src/domains/database/mysql/check-mysql.ts';
import { rulesOf } from '../packages/anneal/src/domains/domain.ts';
import { domains } from '../packages/anneal/src/domains/index.ts';
import { catalogue } from '../packages/anneal/src/errors.ts';
import type { Rule } from '../packages/anneal/src/finding/finding.ts';
import { assessmentJsonSchema } from '../packages/anneal/src/report/assessment-schema.ts';
import { moduleMap } from './module-map.ts';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * Every page that is made from code, by path. `npm run docs` writes them; the tidy test fails when
 * what is committed differs, so no page can go stale.
 */
export async function generatedDocs(root: string): Promise<ReadonlyMap<string, string>> {
  const architecture = await readFile(join(root, 'ARCHITECTURE.md'), 'utf8');
  return new Map([
    ['docs/reference/errors.md', errorsPage()],
    ['docs/reference/configuration.md', configurationPage()],
    ['docs/reference/configuration.schema.json', json(configJsonSchema())],
    ['docs/reference/assessment.schema.json', json(assessmentJsonSchema())],
    ['docs/reference/cli.md', cliPage()],
    ['docs/reference/rules.md', rulesPage()],
    ...ruleSections.flatMap(({ rules }) => rules.map((rule): [string, string] => [`docs/reference/rules/${rule.id}.md`, rulePage(rule)])),
    ['ARCHITECTURE.md', replaceBetween(architecture, '<!-- module map -->', '<!-- end of module map -->', `\n${await moduleMap(root)}\n`)],
    ...domains.map((domain): [string, string] => [`packages/anneal/src/domains/${domain.id}/README.md`, domainPage(domain)]),
  ]);
}

const generated = '<!-- Written by scripts/generate-docs.ts: run `make docs` after changing the code it describes. -->\n';

function errorsPage(): string {
  const rows = Object.entries(catalogue).map(
    ([code, entry]) => `| \`${code}\` | ${escapeCell(entry.message)} | ${escapeCell(entry.hint)} | ${entry.exitCode} |`,
  );
  return `${generated}# Errors\n\nWords in braces are filled in. The exit code is the process's.\n\n| code | message | hint | exit |\n| --- | --- | --- | --- |\n${rows.join('\n')}\n`;
}

interface SchemaNode {
  readonly type?: string;
  readonly description?: string;
  readonly properties?: Readonly<Record<string, SchemaNode>>;
  readonly required?: readonly string[];
}

function configurationPage(): string {
  const rows = flatten(configJsonSchema() as SchemaNode, '');
  return `${generated}# Configuration

\`anneal.config.ts\` (or \`.mts\`, \`.js\`, \`.mjs\`, \`.json\`) in the folder where Anneal runs. Flags win over \`ANNEAL_*\` variables, those over
the file, the file over the defaults. Unknown keys are errors.

| key | type | required | meaning |
| --- | --- | --- | --- |
${rows.join('\n')}
`;
}

function flatten(node: SchemaNode, prefix: string): readonly string[] {
  return Object.entries(node.properties ?? {}).flatMap(([name, child]) => {
    const key = prefix === '' ? name : `${prefix}.${name}`;
    if (child.properties !== undefined) return flatten(child, key);
    const required = node.required?.includes(name) === true ? 'yes' : '';
    return [`| \`${key}\` | ${child.type ?? 'object'} | ${required} | ${escapeCell(child.description ?? '')} |`];
  });
}

function cliPage(): string {
  const { command } = createProgram(new AbortController().signal);
  const width = { helpWidth: 100 };
  command.configureHelp(width);
  const pages = command.commands.map(
    (child) => `## anneal ${child.name()}\n\n\`\`\`text\n${child.configureHelp(width).helpInformation().trimEnd()}\n\`\`\`\n`,
  );
  return `${generated}# Command line\n\nstdout carries the result, stderr the progress. \`NO_COLOR\` and non-terminals are honoured.\n\n\`\`\`text\n${command.helpInformation().trimEnd()}\n\`\`\`\n\n${pages.join('\n')}`;
}

const ruleSections: readonly { readonly title: string; readonly rules: readonly Rule[] }[] = [
  ...domains.map((domain) => ({ title: domain.title, rules: rulesOf(domain) })),
  { title: 'MySQL and MariaDB', rules: mysqlRules },
].filter(({ rules }) => rules.length > 0);

function rulesPage(): string {
  const sections = ruleSections.map(({ title, rules }) => {
    const rows = rules.map((rule) => `| [${rule.id}](rules/${rule.id}.md) | ${escapeCell(rule.title)} |`);
    return `## ${title}\n\n| rule | finds |\n| --- | --- |\n${rows.join('\n')}`;
  });
  return `${generated}# Rules\n\nOne page for each, with its threshold, the reason for it, and when it is not a defect.\n\n${sections.join('\n\n')}\n`;
}

/** How a rule is asked: by a measured window, by the health check, or by both. */
function askedBy(rule: Rule): string {
  const isChecked = rule.id.startsWith('mysql/') || domains.some(({ health }) => health?.checks.includes(rule) === true);
  const isMeasured = domains.some(({ rules }) => rules.includes(rule));
  return [isMeasured ? '`anneal diagnose` and `anneal optimize`' : '', isChecked ? '`anneal check database`' : '']
    .filter((words) => words !== '')
    .join(', ');
}

function rulePage(rule: Rule): string {
  const remedies = domains.flatMap((domain) => domain.remedies).filter(({ addresses }) => addresses.includes(rule.id));
  const told = rule.documentation;
  const sections =
    told === undefined
      ? [rule.description]
      : [
          `${told.what} ${told.why}`,
          `## When it speaks\n\n${told.threshold}`,
          `## What to do\n\n${told.fix}${remedies.length === 0 ? '' : `\n\nTried by ${remedies.map(({ id }) => `\`${id}\``).join(', ')}.`}`,
          `## When it is not a defect\n\n${told.falsePositives}`,
          `## Sources\n\n${told.sources.map((source) => `- ${source}`).join('\n')}`,
        ];
  const needs = rule.requires.map((need) => `\`${need}\``).join(', ');
  const facts = [`Asked by ${askedBy(rule)}`, `Reads ${needs}.`].join('. ');
  return `${generated}# ${rule.title}\n\n\`${rule.id}\`. ${facts}\n\n${sections.join('\n\n')}\n`;
}

function domainPage(domain: (typeof domains)[number]): string {
  if (domain.rules.length + domain.remedies.length + domain.probes.length === 0) {
    return `${generated}# ${domain.title}\n\nNothing is looked at here yet: reports say so.\n`;
  }
  const rules = rulesOf(domain).map((rule) => {
    const remedy = domain.remedies.find((candidate) => candidate.addresses.includes(rule.id));
    return `| \`${rule.id}\` | ${escapeCell(rule.title)} | ${remedy === undefined ? 'a proposal' : `\`${remedy.id}\``} |`;
  });
  const probes = [...new Set([...domain.probes, ...(domain.health?.probes ?? [])])].map(
    (probe) => `| \`${probe.id}\` | ${probe.provides.map((capability) => `\`${capability}\``).join(', ')} |`,
  );
  return `${generated}# ${domain.title}\n\n| rule | finds | answered by |\n| --- | --- | --- |\n${rules.join('\n')}\n\n| probe | reads |\n| --- | --- |\n${probes.join('\n')}\n`;
}

function replaceBetween(text: string, start: string, end: string, content: string): string {
  const from = text.indexOf(start);
  const to = text.indexOf(end);
  if (from < 0 || to < from) throw new Error(`no ${start} … ${end} in the page`);
  return text.slice(0, from + start.length) + content + text.slice(to);
}

function escapeCell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('\n', ' ');
}

function json(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}
