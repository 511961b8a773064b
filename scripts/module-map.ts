import { readdir, readFile } from 'node:fs/promises';
import { join, relative } from 'node:path';

/** The rooms of packages/anneal/src in the order in which imports may point: left never imports right. */
export const roomOrder = [
  ['stats', 'ports', 'errors'],
  ['workload'],
  ['target'],
  ['measurement'],
  ['finding'],
  ['prediction'],
  ['remedy'],
  ['ledger'],
  ['trial'],
  ['report'],
  ['config'],
  ['run'],
  ['site'],
  ['loop', 'history', 'check', 'snapshot', 'advise'],
  ['try-change'],
  ['demo'],
  ['index'],
  ['cli'],
] as const;

/** `room` to the rooms it imports, tests left out. Rooms are folders of src, or its single files. */
export async function importsByRoom(root: string): Promise<ReadonlyMap<string, ReadonlySet<string>>> {
  const source = join(root, 'packages/anneal/src');
  const rooms = new Map<string, Set<string>>();
  for (const file of await readdir(source, { recursive: true })) {
    if (!file.endsWith('.ts') || file.endsWith('.test.ts') || file.includes('fixtures')) continue;
    const room = roomOf(file);
    const imports = rooms.get(room) ?? new Set<string>();
    rooms.set(room, imports);
    const text = await readFile(join(source, file), 'utf8');
    for (const [, specifier] of text.matchAll(/^(?:import|export)\b[^;]*?from '(\.[^']+)';/gm)) {
      const imported = roomOf(relative(source, join(source, file, '..', specifier!)));
      if (imported !== room) imports.add(imported);
    }
  }
  return rooms;
}

function roomOf(file: string): string {
  const parts = file.split('/');
  if (parts[0] === 'domains' && parts.length > 2) return `domains/${parts[1]}`;
  return parts.length === 1 ? parts[0]!.replace(/\.ts$/, '') : parts[0]!;
}

/** A text table: one line per room, in the order of the house. */
export async function moduleMap(root: string): Promise<string> {
  const rooms = await importsByRoom(root);
  const order = roomOrder.flat() as readonly string[];
  const rank = (room: string) => (order.includes(room) ? order.indexOf(room) : order.length);
  const lines = [...rooms]
    .toSorted(([a], [b]) => rank(a) - rank(b) || a.localeCompare(b))
    .map(
      ([room, imports]) =>
        `${room.padEnd(24)} <- ${[...imports].toSorted((a, b) => rank(a) - rank(b) || a.localeCompare(b)).join(', ') || '(nothing)'}`,
    );
  return `\`\`\`text\n${lines.join('\n')}\n\`\`\``;
}
