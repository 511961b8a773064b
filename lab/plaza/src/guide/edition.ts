import { setImmediate as nextTurn } from 'node:timers/promises';
import { Worker, isMainThread, workerData } from 'node:worker_threads';
import type { FastifyInstance } from 'fastify';
import { requireViewer } from '../accounts/viewer.ts';
import { isFixed } from '../fix.ts';
import { paragraph } from './text.ts';

const lineLength = 62;
const sliceMs = 2;

/**
 * Breaks the whole guide into lines whose ends are as even as possible (the least sum of squared gaps, as Knuth and
 * Plass 1981), and lets others have their turn now and then. Returns the number of lines.
 */
async function typeset(copies: number): Promise<number> {
  let lines = 0;
  let until = performance.now() + sliceMs;
  for (let copy = 0; copy < copies; copy += 1) {
    const lengths = paragraph(copy, 24)
      .split(' ')
      .map((word) => word.length);
    const costs = [0];
    for (let end = 1; end <= lengths.length; end += 1) {
      let width = -1;
      let least = Number.POSITIVE_INFINITY;
      for (let start = end; start > 0; start -= 1) {
        width += lengths[start - 1]! + 1;
        const gap = Math.abs(lineLength - width);
        least = Math.min(least, costs[start - 1]! + gap ** 2);
      }
      costs.push(least);
    }
    lines += Math.ceil(lengths.reduce((sum, length) => sum + length + 1, 0) / lineLength);
    if (performance.now() > until) {
      await nextTurn();
      until = performance.now() + sliceMs;
    }
  }
  return lines;
}

const copiesPerEdition = 1900;

/** A printed edition of the guide for one member. */
export function editionRoutes(app: FastifyInstance): void {
  app.post('/guide/editions', { preHandler: requireViewer }, async (_request, reply) => {
    if (!isFixed('edition-job')) return reply.code(201).send({ lines: await typeset(copiesPerEdition) });
    const worker = new Worker(new URL(import.meta.url), { workerData: copiesPerEdition, execArgv: [] });
    worker.unref();
    return reply.code(202).send({ accepted: true });
  });
}

if (!isMainThread && typeof workerData === 'number') await typeset(workerData);
