/** The steps of a path such as `$.items[0].id`: property names and array positions. */
export type JsonPath = readonly (string | number)[];

/** Null when the text is not such a path. Wildcards and filters are not part of it: a check or a capture names one place. */
export function parseJsonPath(text: string): JsonPath | null {
  if (!/^\$(?:\.[A-Za-z_$][\w$-]*|\[\d+\]|\["[^"]+"\])*$/.test(text)) return null;
  const segments = text.matchAll(/\.(?<property>[\w$-]+)|\[(?<position>\d+)\]|\["(?<quoted>[^"]+)"\]/g);
  return [...segments].map(({ groups }) => {
    const { property, position, quoted } = groups as Partial<Record<'property' | 'position' | 'quoted', string>>;
    return position === undefined ? (property ?? quoted)! : Number(position);
  });
}

/** Undefined when nothing is there. */
export function readJsonPath(value: unknown, path: JsonPath): unknown {
  let current = value;
  for (const segment of path) {
    if (typeof current !== 'object' || current === null || !Object.hasOwn(current, segment)) return undefined;
    current = (current as Readonly<Record<string | number, unknown>>)[segment];
  }
  return current;
}
