import { expect, test } from 'vitest';
import { Room } from '../room.ts';
import { Call, type OpenRequest } from '../requests/request.ts';
import { Checkout } from './pools.ts';
import { Template } from './statements.ts';

const byToken = (room = new Room(1_000_000)) =>
  new Template(room, 1, 'SELECT * FROM sessions WHERE token = $1', false, 'SELECT * FROM sessions WHERE token = $1');

function look(template: Template, values: readonly unknown[] | undefined, literals = ''): void {
  template.lookAt(new Call(template, null, null, literals, values));
}

test('a call is a repeat where its parameters were asked with before, by whichever request', () => {
  const template = byToken();
  for (const token of ['a', 'b', 'a', 'a', 'c']) look(template, [token]);
  expect(template.take().repetition).toEqual({ calls: 5, repeats: 2 });
});

test('a statement without parameters repeats itself; one whose literals differ does not', () => {
  const template = byToken();
  look(template, undefined);
  look(template, []);
  for (const literals of ['SELECT 1', 'SELECT 2', 'SELECT 1']) look(template, undefined, literals);
  expect(template.take().repetition).toEqual({ calls: 5, repeats: 2 });
});

test('what would not be kept is no repeat: parameters that cannot be told apart, and connections that the application took out', () => {
  const template = byToken();
  for (const values of [[[1, 2]], [[1, 2]], [{ a: 1 }], [{ a: 1 }]]) look(template, values);
  for (let time = 0; time < 2; time += 1) {
    const call = new Call(template, null, null, '', ['a']);
    call.checkout = new Checkout({} as OpenRequest, null, 0);
    template.lookAt(call);
  }
  expect(template.take().repetition).toEqual({ calls: 6, repeats: 0 });
});

test('each window begins anew, and gives back the room that it took', () => {
  const room = new Room(100);
  const template = byToken(room);
  for (const token of ['a', 'b', 'a', 'b']) look(template, [token]);
  // Room for one of them: the other is seen, and not known again.
  expect(template.take().repetition).toEqual({ calls: 4, repeats: 1 });
  for (const token of ['b', 'b']) look(template, [token]);
  expect(template.take().repetition).toEqual({ calls: 2, repeats: 1 });
  expect(template.take().repetition).toBeUndefined();
});
