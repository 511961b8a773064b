import type { FastifyInstance } from 'fastify';
import { atlasRoutes } from './atlas.ts';
import { chapterRoutes } from './chapters.ts';
import { chronicleRoutes } from './chronicle.ts';
import { editionRoutes } from './edition.ts';
import { spellingRoutes } from './spelling.ts';

/** What members and visitors read about the plaza itself; none of it is in the database. */
export function guideRoutes(app: FastifyInstance): void {
  chapterRoutes(app);
  atlasRoutes(app);
  chronicleRoutes(app);
  spellingRoutes(app);
  editionRoutes(app);
}
