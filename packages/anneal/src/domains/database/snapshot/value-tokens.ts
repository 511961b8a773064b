import type { SnapshotColumn } from '../../../ports/database-snapshot.ts';

/** Columns whose values can meet in a join, and what stands for their values. */
export interface ValueClass {
  readonly key: string;
  /** How the server sorts the text `value` as what it is. */
  readonly sortAs: string;
  /** How many different tokens there are. */
  readonly capacity: number;
  /** The token of the value at this place of so many: spread evenly, so that it tells the place and nothing else. */
  token(at: number, count: number): string;
}

/**
 * The class of a column's values; null where no token can be made of its type, and the values are left out. Tokens
 * are valid values of the type, in the same order as what they stand for. They depend on ranks alone: no secret
 * could be found out, because there is none.
 */
export function valueClassOf(column: SnapshotColumn, enums: ReadonlySet<string>): ValueClass | 'known from the schema' | null {
  const { type } = column;
  if (type === 'boolean' || enums.has(type)) return 'known from the schema';
  if (type === 'smallint') return numberClass('smallint', 'value::int2', 2 ** 15);
  if (type === 'integer' || type === 'bigint') return numberClass('integer', 'value::int8', 2 ** 31);
  if (type === 'real' || type === 'double precision') return numberClass('float', 'value::float8', 2 ** 24);
  if (type.startsWith('numeric')) return numericClass(type);
  if (type === 'date') return timeClass('date', 'value::date', dayMs, 10);
  if (type.startsWith('timestamp')) return timeClass('timestamp', 'value::timestamptz', 1, 23);
  if (type === 'uuid') return uuidClass;
  return textClass(column);
}

/** The middle of the place's share of the room. */
function place(at: number, count: number, room: number): number {
  return Math.floor(((at + 0.5) * room) / count);
}

function numberClass(key: string, sortAs: string, room: number): ValueClass {
  return { key, sortAs, capacity: room, token: (at, count) => String(place(at, count, room)) };
}

/** `numeric(7,2)` holds at most 99999.99, so each precision is a class of its own. */
function numericClass(type: string): ValueClass {
  const [, precision, scale] = /^numeric\((\d+),(-?\d+)\)$/u.exec(type) ?? [];
  const digits = Math.min(Number(precision ?? 15), 15);
  const decimals = Math.max(0, Math.min(Number(scale ?? 0), digits));
  const room = 10 ** digits;
  return {
    key: type,
    sortAs: 'value::numeric',
    capacity: room,
    token: (at, count) => {
      const figures = String(place(at, count, room)).padStart(decimals + 1, '0');
      return decimals === 0 ? figures : `${figures.slice(0, -decimals)}.${figures.slice(-decimals)}`;
    },
  };
}

const dayMs = 86_400_000;
const firstTimeMs = Date.UTC(2000, 0, 1);
/** Years of four digits, so that every style of dates reads them. */
const lastTimeMs = Date.UTC(9999, 0, 1);

function timeClass(key: string, sortAs: string, stepMs: number, length: number): ValueClass {
  const room = Math.floor((lastTimeMs - firstTimeMs) / stepMs);
  return {
    key,
    sortAs,
    capacity: room,
    token: (at, count) => new Date(firstTimeMs + place(at, count, room) * stepMs).toISOString().slice(0, length),
  };
}

const uuidClass: ValueClass = {
  key: 'uuid',
  sortAs: 'value::uuid',
  capacity: 2 ** 32,
  token: (at, count) => {
    const digits = place(at, count, 2 ** 32)
      .toString(16)
      .padStart(8, '0');
    return `${digits}-0000-0000-0000-000000000000`;
  },
};

/** Small letters are in the same order under every collation. */
const letters = 'abcdefghijklmnopqrstuvwxyz';
const longestToken = 8;

function textClass({ type, collation }: SnapshotColumn): ValueClass | null {
  const [, name, declared] =
    /^(text|character varying|character|"char"|name|(?:"(?:[^"]|"")+"|[\w$]+)\.citext)(?:\((\d+)\))?$/u.exec(type) ?? [];
  if (name === undefined) return null;
  const length = Math.min(longestToken, name === '"char"' ? 1 : declared === undefined ? longestToken : Number(declared));
  const isCitext = name.endsWith('.citext');
  const room = letters.length ** length;
  return {
    key: JSON.stringify([length, isCitext, collation]),
    sortAs: `value${isCitext ? `::${name}` : ''}${collation === null ? '' : ` COLLATE ${collation}`}`,
    capacity: room,
    token: (at, count) => {
      let number = place(at, count, room);
      let token = '';
      for (let position = 0; position < length; position += 1) {
        token = letters[number % letters.length]! + token;
        number = Math.floor(number / letters.length);
      }
      return token;
    },
  };
}
