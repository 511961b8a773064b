import { expect, test } from 'vitest';
import { AnnealError } from '../errors.ts';
import { workloadFromUrls } from './workload-from-urls.ts';
import { validateWorkload } from './workload-problems.ts';

const options = { ratePerSecond: 50, seed: 3 };

test('lines become requests, and a line that stands twice is twice as likely', () => {
  const workload = workloadFromUrls(['/users?page=2', ' GET /users/1 ', 'post /x {"json":[1]}', '', '/users?page=2'], options);
  expect(validateWorkload(workload)).toEqual([]);
  expect(workload.executor).toMatchObject({ type: 'constant-arrival-rate', ratePerSecond: 50 });
  expect(workload.scenarios.map(({ weight, steps }) => [weight, ...steps])).toEqual([
    [2, { method: 'GET', path: '/users?page=2' }],
    [1, { method: 'GET', path: '/users/1' }],
    [1, { method: 'POST', path: '/x', body: { json: [1] } }],
  ]);
});

test('braces in a path are no variables', () => {
  const workload = workloadFromUrls(['/posts?filter={tag}'], options);
  expect(validateWorkload(workload)).toEqual([]);
  expect(workload.scenarios[0]!.steps[0]!.path).toBe('/posts?filter=%7Btag%7D');
});

test('every line that cannot be read is named', () => {
  const read = () => workloadFromUrls(['/fine', 'http://elsewhere/x', 'FETCH /x', 'POST /x {json}'], options);
  expect(read).toThrow(AnnealError);
  expect(read).toThrow(/"http:\/\/elsewhere\/x", "FETCH \/x", "POST \/x \{json\}"/);
});

test('an empty list is an empty workload', () => {
  expect(() => workloadFromUrls([' '], options)).toThrow(expect.objectContaining({ code: 'ANNEAL_WORKLOAD_EMPTY' }));
});
