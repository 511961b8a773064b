import { createTwoFilesPatch } from 'diff';
import type { CodeLocation } from '../measurement/observations.ts';
import type { Codemod, CodemodContext } from './codemod.ts';
import { edited, parseSource } from './source-file.ts';

export type WrittenPatch = { readonly patch: string } | { readonly refused: string };

/**
 * A unified diff that `git apply` takes in the target's working directory. `path` is relative to it, with slashes. The
 * changed file is parsed again: what is not JavaScript any more is refused, and so is a change of nothing.
 */
export function writePatch(codemod: Codemod, path: string, text: string, at: CodeLocation, context: CodemodContext): WrittenPatch {
  const source = parseSource(path, text);
  if (source === null) return { refused: `${path} cannot be parsed` };
  const edits = codemod.write(source, at, context);
  if (typeof edits === 'string') return { refused: edits };
  const changed = edited(text, edits);
  if (changed === text || parseSource(path, changed) === null) return { refused: `no sound change of ${path} was found` };
  const patch = createTwoFilesPatch(`a/${path}`, `b/${path}`, text, changed, undefined, undefined, { context: 3 });
  return { patch: patch.replace(/^=+\n/, `diff --git a/${path} b/${path}\n`) };
}
