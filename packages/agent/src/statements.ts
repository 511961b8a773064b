import { CallSiteSampler } from './call-site.ts';
import { portableParameters } from './parameters.ts';
import type { Problems } from './problems.ts';
import type { StatementText } from './protocol.ts';
import { sqlTemplate } from './sql-template.ts';

const mostTemplates = 10_000;
const mostTexts = 10_000;
/** Longer texts (bulk inserts) are masked and told apart by their beginning: masking 100 kB would stall a request. */
const longestText = 16_384;
const mostParameterSets = 5;
const laterSetOneIn = 256;

/** One statement as the application writes it, whatever its literals and parameters. */
export class Template {
  readonly id: number;
  readonly text: string;
  readonly hasLiterals: boolean;
  readonly sample: string;
  readonly sampler = new CallSiteSampler();
  #calls = 0;
  #parameterSets: (readonly unknown[])[] = [];

  constructor(id: number, text: string, hasLiterals: boolean, sample: string) {
    this.id = id;
    this.text = text;
    this.hasLiterals = hasLiterals;
    this.sample = sample;
  }

  /** Keeps the first five sets, then now and then a later one, so that the set does not only show the start. */
  sampleParameters(values: readonly unknown[] | undefined): void {
    const call = this.#calls;
    this.#calls += 1;
    if (call >= mostParameterSets && call % laterSetOneIn !== 0) return;
    if (values === undefined || values.length === 0) return;
    const copy = portableParameters(values);
    if (copy === null) return;
    if (this.#parameterSets.length < mostParameterSets) this.#parameterSets.push(copy);
    else this.#parameterSets[(call / laterSetOneIn) % mostParameterSets] = copy;
  }

  take(): StatementText {
    const parameterSets = this.#parameterSets;
    this.#parameterSets = [];
    this.#calls = 0;
    return { templateId: this.id, template: this.text, sample: this.sample, parameterSets };
  }
}

/** Every template of this process. Masking is paid once per text, not per call. */
export class Templates {
  readonly #problems: Problems;
  readonly #byText = new Map<string, Template>();
  readonly #byTemplate = new Map<string, Template>();
  readonly #overflow = new Template(0, '(more different statements than the agent keeps)', false, '');

  constructor(problems: Problems) {
    this.#problems = problems;
  }

  of(sql: string): Template {
    const known = this.#byText.get(sql);
    if (known !== undefined) return known;
    const text = sql.length > longestText ? sql.slice(0, longestText) : sql;
    const masked = sqlTemplate(text);
    let template = this.#byTemplate.get(masked.text);
    if (template === undefined) {
      if (this.#byTemplate.size >= mostTemplates) {
        this.#problems.note(`a statement was counted as "other": the agent keeps ${mostTemplates} different ones`);
        return this.#overflow;
      }
      template = new Template(this.#byTemplate.size + 1, masked.text, masked.hasLiterals, text);
      this.#byTemplate.set(masked.text, template);
    }
    if (text.length === sql.length) {
      // Texts with literals never come back: the cache starts again rather than grow.
      if (this.#byText.size >= mostTexts) this.#byText.clear();
      this.#byText.set(sql, template);
    }
    return template;
  }
}
