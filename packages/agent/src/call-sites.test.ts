import { readFileSync } from 'node:fs';
import { dirname, relative } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createTestDatabase } from '../../../test/support/test-database.ts';
import type { AgentSummary } from './protocol.ts';
import { schemaSql } from '../test/apps/schema.ts';
import { appFile, startTarget, type Target } from '../test/target.ts';
import { generatePrismaClient, openWorkshop, type Workshop } from '../test/call-sites/build-app.ts';

let workshop: Workshop;
beforeAll(async () => {
  workshop = await openWorkshop();
  await generatePrismaClient(workshop.folder);
});
afterAll(async () => {
  await workshop[Symbol.asyncDispose]();
});

/** The lines of each route, as the source's comments say them: `// at /route`. */
function expectedLines(app: string): Map<string, number[]> {
  const lines = new Map<string, number[]>();
  for (const [index, text] of readFileSync(`${workshop.folder}/${app}.ts`, 'utf8').split('\n').entries()) {
    const route = /\/\/ at (\/\w+)$/.exec(text)?.[1];
    if (route !== undefined) lines.set(route, [...(lines.get(route) ?? []), index + 1]);
  }
  return lines;
}

/** What a library asks for by itself, in nobody's name: Knex as it connects, postgres.js at the end of a transaction. */
const own = new Set(['select version();', 'commit']);

/** Where each route's statements were. */
function seenLines(summary: AgentSummary, file: string): Map<string, (number | string)[]> {
  return new Map(
    summary.routes.map(({ route, statements }) => {
      const places = statements.flatMap<number | string>(({ location, templateId }) => {
        if (location?.file === file) return [location.line];
        const template = summary.statementTexts.find((text) => text.templateId === templateId)?.template ?? '';
        return location === null && own.has(template) ? [] : [`${location?.file ?? 'nowhere'}: ${template}`];
      });
      return [route, [...new Set(places)].sort((one, other) => Number(one) - Number(other))];
    }),
  );
}

async function visit(target: Target, routes: Iterable<string>): Promise<AgentSummary> {
  for (const route of routes) {
    const response = await target.get(route);
    expect([route, response.status, response.status === 200 ? '' : await response.text()]).toEqual([route, 200, '']);
  }
  return target.flush();
}

const onDisk = (file: string) => relative(dirname(appFile('any')), file);

const apps = [
  { app: 'pg', hooks: ['pg', 'pg-pool'] },
  { app: 'postgres-js', hooks: ['postgres'] },
  { app: 'drizzle', hooks: ['drizzle-orm', 'pg'] },
  { app: 'drizzle-postgres-js', hooks: ['drizzle-orm', 'postgres'] },
  { app: 'knex', hooks: ['knex', 'pg'] },
  { app: 'typeorm', hooks: ['typeorm', 'pg'] },
  { app: 'prisma', hooks: ['@prisma/client', 'pg'] },
];

for (const { app, hooks } of apps) {
  test(`${app}: every statement is at the line that asks for it, imported and required, as written and compiled`, async () => {
    const expected = expectedLines(app);
    await Promise.all(
      (['asModule', 'asCommonJs'] as const).map(async (form) => {
        await using database = await createTestDatabase(schemaSql);
        await using target = await startTarget(onDisk(await workshop[form](app)), { DATABASE_URL: database.url });
        const summary = await visit(target, expected.keys());
        expect(summary.problems).toEqual([]);
        expect(summary.hooks.map((hook) => hook.replace(/ [\d.]+$/, ''))).toEqual(expect.arrayContaining(hooks));
        expect([form, seenLines(summary, `${workshop.folder}/${app}.ts`)]).toEqual([form, expected]);
      }),
    );
  });
}
