import type { Observer } from '../observer.ts';
import { enclosing, enteredAt } from './enclosing.ts';
import type { Library, LibraryFile } from './library.ts';
import { patchMethod, type Method } from './patch.ts';

export const typeorm: Library = { packages: { typeorm: ['0.3', '2.0'] }, files: hookTypeorm };

/** What runs statements; repositories and entities call their manager. */
const ofManager =
  'query sql preload save remove softRemove recover insert upsert update updateAll delete deleteAll softDelete restore exists exist existsBy count countBy sum average minimum maximum find findBy findAndCount findAndCountBy findByIds findOne findOneBy findOneById findOneOrFail findOneByOrFail clear increment decrement'.split(
    ' ',
  );
const ofSelect =
  'getRawOne getRawMany getRawAndEntities getOne getOneOrFail getMany getCount getExists getManyAndCount stream execute'.split(' ');
const ofRelation = 'set add remove addAndRemove loadOne loadMany'.split(' ');

interface Class {
  readonly prototype: object;
}

/**
 * TypeORM calls its driver some awaits after the application called it. Where the application awaits
 * in turn V8 still finds its line, but a caller that goes on with `then` is lost: so the place is
 * taken on the way in, and travels with the asynchronous context.
 */
function hookTypeorm(observer: Observer): readonly LibraryFile[] {
  const hook = observer.hook('typeorm');
  const file = (path: string, name: string, methods: readonly string[]): LibraryFile => ({
    path: `typeorm/${path}/${name}.js`,
    meet: (exported) => {
      const { prototype } = (exported as Readonly<Record<string, Class>>)[name]!;
      for (const method of methods) if (Object.hasOwn(prototype, method)) patchMethod(prototype, method, entering);
    },
  });

  return [
    {
      path: 'typeorm/entity-manager/EntityManager.js',
      meet: (exported) => {
        const { prototype } = (exported as Readonly<Record<string, Class>>)['EntityManager']!;
        for (const method of ofManager) patchMethod(prototype, method, entering);
        patchMethod(prototype, 'transaction', (original) => enclosing(observer, hook, original));
      },
    },
    file('data-source', 'DataSource', ['query', 'sql']),
    file('query-builder', 'SelectQueryBuilder', ofSelect),
    file('query-builder', 'RelationQueryBuilder', ofRelation),
    ...['Insert', 'Update', 'Delete', 'SoftDelete'].map((kind) => file('query-builder', `${kind}QueryBuilder`, ['execute'])),
  ];

  function entering(original: Method): Method {
    return function enter(this: unknown, ...args) {
      const entry = enteredAt(observer, hook);
      return observer.entries.throughout(entry, () => original.apply(this, args));
    };
  }
}
