import { describe, expect, test } from 'vitest';
import { rulesOf } from './domain.ts';
import { domains } from './index.ts';

const rules = domains.flatMap((domain) => rulesOf(domain).map((rule) => ({ domain, rule })));
const remedies = domains.flatMap((domain) => domain.remedies.map((remedy) => ({ domain, remedy })));
const ruleIds = rules.map(({ rule }) => rule.id);

const repeated = (ids: readonly string[]) => ids.filter((id, index) => ids.indexOf(id) !== index);

describe('every rule', () => {
  test('has an id of its own, in its domain', () => {
    expect(repeated(ruleIds)).toEqual([]);
    expect(rules.filter(({ domain, rule }) => !rule.id.startsWith(`${domain.id}/`))).toEqual([]);
  });

  test('has what its page says, with a reason and a source for its threshold', () => {
    const undocumented = rules.filter(({ rule: { documentation } }) => documentation === undefined || documentation.sources.length === 0);
    expect(undocumented.map(({ rule }) => rule.id)).toEqual([]);
  });

  test('says when it is not a defect', () => {
    expect(rules.filter(({ rule }) => !/\bnot\b/i.test(rule.description)).map(({ rule }) => rule.id)).toEqual([]);
  });

  test('yields only to rules that exist, and never back to itself: of two symptoms one must speak', () => {
    const yieldsTo = new Map(rules.map(({ rule }) => [rule.id, rule.yieldsTo ?? []]));
    const wrong = rules.flatMap(({ rule }) => {
      const reached = new Set(rule.yieldsTo);
      // A set's iteration goes on to what is added during it.
      for (const id of reached) for (const further of yieldsTo.get(id) ?? []) reached.add(further);
      const unknown = [...reached].filter((id) => !yieldsTo.has(id)).map((id) => `${rule.id} yields to ${id}, which does not exist`);
      return reached.has(rule.id) ? [...unknown, `${rule.id} yields to itself`] : unknown;
    });
    expect(wrong).toEqual([]);
  });
});

describe('every remedy', () => {
  test('has an id of its own, in its domain', () => {
    expect(repeated(remedies.map(({ remedy }) => remedy.id))).toEqual([]);
    expect(remedies.filter(({ domain, remedy }) => !remedy.id.startsWith(`${domain.id}/`))).toEqual([]);
  });

  test('addresses rules that exist', () => {
    const unknown = remedies.flatMap(({ remedy }) =>
      remedy.addresses.filter((id) => !ruleIds.includes(id)).map((id) => `${remedy.id}: ${id}`),
    );
    expect(unknown).toEqual([]);
    expect(remedies.filter(({ remedy }) => remedy.addresses.length === 0)).toEqual([]);
  });
});
