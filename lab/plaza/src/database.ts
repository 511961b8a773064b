import { Pool } from 'pg';
import { isFixed } from './fix.ts';

export function createPool(connectionString: string): Pool {
  return new Pool({ connectionString, application_name: 'plaza', max: isFixed('pool-size') ? 16 : 4 });
}
