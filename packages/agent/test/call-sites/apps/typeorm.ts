import { DataSource, EntitySchema, type EntityManager } from 'typeorm';
import { serve } from './serve.ts';

interface Author {
  id: number;
  name: string;
}
interface Post {
  id: number;
  title: string;
  author: Author;
}
const Author = new EntitySchema<Author>({
  name: 'Author',
  tableName: 'authors',
  columns: { id: { type: Number, primary: true }, name: { type: String } },
});
const Post = new EntitySchema<Post>({
  name: 'Post',
  tableName: 'posts',
  columns: { id: { type: Number, primary: true }, title: { type: String } },
  relations: { author: { type: 'many-to-one', target: 'Author', joinColumn: { name: 'author_id' } } },
});

const source = new DataSource({ type: 'postgres', url: process.env['DATABASE_URL'] ?? '', entities: [Author, Post] });
const authors = source.getRepository(Author);

const start = () =>
  serve(
    {
      '/find': async () => {
        const found = await authors.findBy({ name: 'author 3' }); // at /find
        return found;
      },
      '/then': () => authors.findOneBy({ id: 4 }).then((author) => author?.name), // at /then
      '/builder': () => source.createQueryBuilder(Post, 'post').leftJoinAndSelect('post.author', 'author').limit(2).getMany(), // at /builder
      '/save': async () => {
        const author = await authors.findOneByOrFail({ id: 5 }); // at /save
        author.name = `${author.name}!`;
        await authors.save(author); // at /save
      },
      '/query': () => source.query('SELECT count(*)::int FROM posts WHERE id > $1', [3]), // at /query
      '/update': () => source.createQueryBuilder().update(Author).set({ name: 'author 6' }).where('id = :id', { id: 6 }).execute(), // at /update
      '/transaction': () => {
        const work = async (manager: EntityManager) => {
          await manager.findOneBy(Author, { id: 7 }); // at /transaction
        };
        return source.transaction(work); // at /transaction
      },
    },
    () => source.destroy(),
  );

void source.initialize().then(start);
