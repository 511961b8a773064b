import type { Codemod } from '../../../source-change/codemod.ts';
import { dottedName, isNode, type SyntaxNode } from '../../../source-change/source-file.ts';

/** Long for a service nearby, short beside the five minutes after which fetch gives up by itself. A person who knows the peer writes a better one. */
const usualTimeoutMs = 5000;

export const outgoingTimeout: Codemod = {
  id: 'api/fetch-timeout',
  title: 'Gives the outgoing call a limit of time',
  addresses: ['api/outgoing-without-timeout'],

  judgedBy: () => ({
    unprovable: 'it makes nothing faster: it bounds how long requests hang when the other service does, which no trial makes it do',
  }),

  write(source, at) {
    const calls = source.find(
      (node) =>
        node.type === 'CallExpression' &&
        /^(?:globalThis\.)?fetch$/.test(dottedName(node['callee']) ?? '') &&
        source.lineOf(node.start) <= at.line &&
        source.lineOf(node.end) >= at.line,
    );
    const [call] = calls;
    if (call === undefined || calls.length !== 1) return `no single fetch(...) stands at line ${at.line}`;
    const signal = `signal: AbortSignal.timeout(${usualTimeoutMs})`;
    const [address, options] = call['arguments'] as readonly SyntaxNode[];
    if (address === undefined || address.type === 'SpreadElement') return 'its arguments are computed elsewhere';
    if (options === undefined) return [{ start: address.end, end: address.end, text: `, { ${signal} }` }];
    if (options.type !== 'ObjectExpression') return 'its options are computed elsewhere and may hold a signal';
    const properties = options['properties'] as readonly SyntaxNode[];
    if (properties.some(({ type }) => type === 'SpreadElement')) return 'its options come partly from elsewhere and may hold a signal';
    if (properties.some(({ key }) => isNode(key) && key['name'] === 'signal')) return 'it has a signal already';
    const last = properties.at(-1);
    return last === undefined
      ? [{ start: options.start, end: options.end, text: `{ ${signal} }` }]
      : [{ start: last.end, end: last.end, text: `, ${signal}` }];
  },
};
