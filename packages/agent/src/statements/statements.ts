import { CallSiteSampler } from '../places/call-site.ts';
import { portableParameters } from '../requests/parameters.ts';
import type { Problems } from '../problems.ts';
import type { StatementText } from '../protocol.ts';
import { Repetition } from './repetition-totals.ts';
import type { Call } from '../requests/request.ts';
import { Room } from '../room.ts';
import { sqlTemplate, type SqlDialect } from './sql-template.ts';

const mostTemplates = 10_000;
const mostTexts = 10_000;
/** Of all templates' texts and samples together, and of the texts that are known by heart: an application's own fit many times over. */
const mostCharacters = 16_000_000;
/** Longer texts (bulk inserts) are masked and told apart by their beginning: masking 100 kB would stall a request. */
const longestText = 16_384;
const mostParameterSets = 5;
const laterSetOneIn = 256;
/** A set that is longer (documents, bulk inserts) is not kept, and neither are more than this in all. */
const longestParameterSet = 65_536;
const mostParameterCharacters = 8_000_000;
/** Of all statements together, to see which calls repeat an earlier one. */
const mostKeyCharacters = 4_000_000;

interface ParameterSet {
  readonly values: readonly unknown[];
  readonly characters: number;
}

/** One statement as the application writes it, whatever its literals and parameters. */
export class Template {
  readonly id: number;
  readonly text: string;
  readonly hasLiterals: boolean;
  readonly sample: string;
  /** By how many open transactions there are more after it: 1, -1 or 0. */
  readonly transactions: number;
  readonly sampler = new CallSiteSampler();
  readonly #room: Room;
  readonly #keys: Room;
  #calls = 0;
  #parameterSets: ParameterSet[] = [];
  /** Null while no call of it was looked at. */
  #repetition: Repetition | null = null;

  /** `keys`: for what tells calls apart. */
  constructor(room: Room, id: number, text: string, hasLiterals: boolean, sample: string, keys = room) {
    this.#room = room;
    this.#keys = keys;
    this.id = id;
    this.text = text;
    this.hasLiterals = hasLiterals;
    this.sample = sample;
    this.transactions = transactionsOf(text);
  }

  /** Keeps the first five sets, then now and then a later one, so that the set does not only show the start. */
  sampleParameters(values: readonly unknown[] | undefined): void {
    const call = this.#calls;
    this.#calls += 1;
    if (call >= mostParameterSets && call % laterSetOneIn !== 0) return;
    if (values === undefined || values.length === 0) return;
    const copy = portableParameters(values);
    if (copy === null) return;
    const characters = JSON.stringify(copy).length;
    if (characters > longestParameterSet || !this.#room.take(characters)) return;
    const set = { values: copy, characters };
    if (this.#parameterSets.length < mostParameterSets) this.#parameterSets.push(set);
    else {
      const place = (call / laterSetOneIn) % mostParameterSets;
      this.#room.giveBack(this.#parameterSets[place]!.characters);
      this.#parameterSets[place] = set;
    }
  }

  /** A call of a request whose answer is looked at. */
  lookAt(call: Call): void {
    this.#repetition ??= new Repetition(this.#keys);
    this.#repetition.add(call);
  }

  take(): StatementText {
    const parameterSets = this.#parameterSets.map(({ values }) => values);
    const repetition = this.#repetition?.toSummary();
    for (const { characters } of this.#parameterSets) this.#room.giveBack(characters);
    this.#parameterSets = [];
    this.#calls = 0;
    this.#repetition?.forget();
    this.#repetition = null;
    return { templateId: this.id, template: this.text, sample: this.sample, parameterSets, ...(repetition && { repetition }) };
  }
}

/** Every template of this process. Masking is paid once per text, not per call. */
export class Templates {
  readonly #problems: Problems;
  readonly #byText = new Map<string, Template>();
  readonly #byTemplate = new Map<string, Template>();
  readonly #parameters = new Room(mostParameterCharacters);
  readonly #keys = new Room(mostKeyCharacters);
  readonly #room = new Room(mostCharacters);
  readonly #overflow = new Template(this.#parameters, 0, '(more different statements than the agent keeps)', false, '');
  #textCharacters = 0;

  constructor(problems: Problems) {
    this.#problems = problems;
  }

  of(sql: string, dialect?: SqlDialect): Template {
    const known = this.#byText.get(sql);
    if (known !== undefined) return known;
    const text = sql.length > longestText ? copyOf(sql.slice(0, longestText)) : sql;
    const masked = sqlTemplate(text, dialect);
    let template = this.#byTemplate.get(masked.text);
    if (template === undefined) {
      if (this.#byTemplate.size >= mostTemplates || !this.#room.take(text.length + masked.text.length)) {
        this.#problems.note(`a statement was counted as "other": the agent keeps ${mostTemplates} different ones`);
        return this.#overflow;
      }
      template = new Template(this.#parameters, this.#byTemplate.size + 1, masked.text, masked.hasLiterals, text, this.#keys);
      this.#byTemplate.set(masked.text, template);
    }
    if (text.length === sql.length) {
      // Texts with literals never come back: the cache starts again rather than grow.
      if (this.#byText.size >= mostTexts || this.#textCharacters >= mostCharacters) {
        this.#byText.clear();
        this.#textCharacters = 0;
      }
      this.#byText.set(sql, template);
      this.#textCharacters += sql.length;
    }
    return template;
  }
}

/** As applications and ORMs write it (manual, section 13.2 and SQL commands BEGIN to ROLLBACK). Back to a savepoint ends nothing. */
function transactionsOf(text: string): number {
  if (/^(?:begin|start transaction)\b/i.test(text)) return 1;
  return /^(?:commit|end|rollback|abort)\b(?! (?:work |transaction )?to\b)(?! prepared\b)/i.test(text) ? -1 : 0;
}

/** A slice of a string keeps all of it alive: a megabyte for its first 16 kB. */
function copyOf(slice: string): string {
  return Buffer.from(slice).toString();
}
