import type { OpenRequest } from '../../requests/request.ts';
import type { BatchedStatement } from './batched-statement.ts';
import type { Row } from './parameter-source.ts';
import type { Runner } from './pg-calls.ts';
import type { RequestSite } from './request-site.ts';

/** Results longer than this are no lists that a request loops over. */
const longestResult = 10_000;
/** Of nested loops: the rows around, and those around them. */
const mostResultsPerTemplate = 4;

const none: readonly (readonly Row[])[] = [];

/** What a request has received and asked that later calls of it may be foreseen from. Most requests hold next to nothing here. */
export class RequestState {
  readonly #request: OpenRequest;
  #results: Map<string, (readonly Row[])[]> | null = null;
  readonly #sites: RequestSite[] = [];

  constructor(request: OpenRequest) {
    this.#request = request;
  }

  /** Empty where the framework does not tell it early. */
  get route(): string {
    return this.#request.route ?? '';
  }

  siteOf(statement: BatchedStatement, runner: Runner): RequestSite | undefined {
    // Asked for every call: no closure is made for it.
    for (const site of this.#sites) if (site.statement === statement && site.runner === runner) return site;
    return undefined;
  }

  add(site: RequestSite): void {
    this.#sites.push(site);
  }

  /** Results of a template, the latest first. */
  resultsOf(template: string | null): readonly (readonly Row[])[] {
    return template === null ? none : (this.#results?.get(template) ?? none);
  }

  receive(template: string, result: unknown): void {
    const rows = (result as { readonly rows?: unknown } | undefined)?.rows;
    if (!Array.isArray(rows) || rows.length < 2 || rows.length > longestResult) return;
    this.#results ??= new Map();
    const results = this.#results.get(template);
    if (results === undefined) this.#results.set(template, [rows as readonly Row[]]);
    else {
      results.unshift(rows as readonly Row[]);
      results.length = Math.min(results.length, mostResultsPerTemplate);
    }
  }
}
