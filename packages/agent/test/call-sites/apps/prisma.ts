import { PrismaPg } from '@prisma/adapter-pg';
// @ts-expect-error The test generates it.
import { PrismaClient } from './generated/client.ts';
import { serve } from './serve.ts';

const prisma = new PrismaClient({ adapter: new PrismaPg({ connectionString: process.env['DATABASE_URL'] ?? '' }) });
const extended = prisma.$extends({ model: { author: { first: () => prisma.author.findFirst({ orderBy: { id: 'asc' } }) } } }); // at /extended

serve(
  {
    '/unique': async () => {
      const author = await prisma.author.findUnique({ where: { id: 3 } }); // at /unique
      return author;
    },
    '/many': () => prisma.author.findMany({ include: { posts: true }, take: 2 }), // at /many
    '/lines': async () => {
      const one = await prisma.post.findFirst({ where: { id: 1 } }); // at /lines
      const other = await prisma.post.findFirst({ where: { id: 2 } }); // at /lines
      return [one, other];
    },
    '/then': () => prisma.post.count().then((posts: number) => posts + 1), // at /then
    '/raw': () => prisma.$queryRaw`SELECT count(*)::int FROM posts WHERE id > ${3}`, // at /raw
    '/update': async () => {
      await prisma.author.update({ where: { id: 4 }, data: { name: 'author 4' } }); // at /update
    },
    '/extended': () => extended.author.first(),
    '/batch': () =>
      prisma.$transaction([
        prisma.author.count(), // at /batch
        prisma.post.findMany({ take: 1 }),
      ]),
    '/transaction': () => {
      const work = async (tx: Pick<typeof prisma, 'author' | 'post'>) => {
        const author = await tx.author.findFirst({ where: { id: 8 } }); // at /transaction
        return tx.post.findMany({ where: { authorId: author?.id ?? 0 } }); // at /transaction
      };
      return prisma.$transaction(work); // at /transaction
    },
  },
  () => prisma.$disconnect(),
);
