/** The few file operations Anneal makes. Paths are absolute. */
export interface Files {
  read(path: string): Promise<string>;
  /** Replaces the file atomically (write aside, fsync, rename). */
  write(path: string, content: string): Promise<void>;
  /** Appends and fsyncs before it resolves: what is appended survives a kill. */
  append(path: string, content: string): Promise<void>;
  exists(path: string): Promise<boolean>;
  /** Null where there is no file. */
  sizeBytes(path: string): Promise<number | null>;
  list(path: string): Promise<readonly string[]>;
  makeFolder(path: string): Promise<void>;
  remove(path: string): Promise<void>;
  /** Bytes an ordinary user may still write where `path` lies; null when that place cannot be asked. */
  freeBytes(path: string): Promise<number | null>;
  /** Points the symbolic link `path` at `target` (relative), replacing an older one. */
  link(path: string, target: string): Promise<void>;
}
