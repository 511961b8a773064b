import type { SettingObservation } from '../../../measurement/database-health.ts';

/** Where most of a file is empty, a scan reads more nothing than rows. A B-tree under random inserts is a quarter empty by nature. */
const wastedShare = 0.5;
/** A tenth of the cache filled with nothing is worth an evening's work; less is not. */
const cacheShare = 0.1;

export interface WastedRoom {
  /** Of the file's pages. */
  readonly share: number;
  readonly wastedBytes: number;
  readonly fileBytes: number;
}

/** The room in a file of so many pages that its rows or entries do not need; null where it is too little to care. */
export function wastedRoom(pages: number, neededPages: number, settings: Readonly<Record<string, SettingObservation>>): WastedRoom | null {
  const cacheBytes = settings['shared_buffers']?.value ?? 128 * 1024 ** 2;
  const blockBytes = settings['block_size']?.value ?? 8192;
  const wastedBytes = (pages - neededPages) * blockBytes;
  if (pages - neededPages < wastedShare * pages || wastedBytes < cacheShare * cacheBytes) return null;
  return { share: (pages - neededPages) / pages, wastedBytes, fileBytes: pages * blockBytes };
}
