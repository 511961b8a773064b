import { Redis } from 'ioredis';
import { serve } from './serve.ts';

const redis = new Redis(process.env['REDIS_URL'] ?? '');

serve(
  {
    '/loop': async () => {
      const values: (string | null)[] = [];
      for (const key of ['a', 'b', 'c']) values.push(await redis.get(key)); // at /loop
      return values;
    },
  },
  () => redis.disconnect(),
);
