import type { Codemod } from '../../../source-change/codemod.ts';
import { dottedName, isNode, type SyntaxNode } from '../../../source-change/source-file.ts';

export const poolSizeOption: Codemod = {
  id: 'api/pool-size-option',
  title: "Writes the number of connections into the pool's options",
  addresses: ['api/pool-too-small'],

  write(source, at, { plan }) {
    const max = typeof plan === 'object' && plan !== null && 'max' in plan ? plan.max : null;
    if (typeof max !== 'number') return 'no size was planned';
    const made = source.find(
      (node) =>
        node.type === 'NewExpression' &&
        /(?:^|\.)Pool$/.test(dottedName(node['callee']) ?? '') &&
        source.lineOf(node.start) <= at.line &&
        source.lineOf(node.end) >= at.line,
    );
    const [pool] = made;
    if (made.length !== 1 || pool === undefined) return `no single \`new Pool(...)\` stands at line ${at.line}`;
    const [options, ...rest] = pool['arguments'] as readonly SyntaxNode[];
    if (rest.length > 0) return 'the pool is made of more than its options';
    if (options === undefined) return [{ start: pool.end - 1, end: pool.end - 1, text: `{ max: ${max} }` }];
    if (options.type !== 'ObjectExpression') return 'its options are computed elsewhere';
    const properties = options['properties'] as readonly SyntaxNode[];
    const present = properties.find(({ key }) => isNode(key) && (key['name'] === 'max' || key['value'] === 'max'));
    if (present !== undefined) return [{ start: present.start, end: present.end, text: `max: ${max}` }];
    if (properties.some(({ type }) => type === 'SpreadElement')) return 'its options come partly from elsewhere and may hold a size';
    const last = properties.at(-1);
    return last === undefined
      ? [{ start: options.start, end: options.end, text: `{ max: ${max} }` }]
      : [{ start: last.end, end: last.end, text: `, max: ${max}` }];
  },
};
