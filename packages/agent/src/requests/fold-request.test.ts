import { expect, test } from 'vitest';
import { queryMsOf, templatesOf } from './fold-request.ts';
import { alone } from './following.ts';
import { Call, OpenRequest } from './request.ts';
import { Room } from '../room.ts';
import { Template } from '../statements/statements.ts';

const byId = new Template(new Room(1_000), 1, 'SELECT name FROM authors WHERE id = $1', false, '');
const byTitle = new Template(new Room(1_000), 2, 'SELECT id FROM posts WHERE title = ?', true, '');
const here = { file: '/app/a.js', line: 1, column: 1, function: null };
const there = { ...here, line: 2 };

function begin(
  request: OpenRequest,
  template: Template,
  values: readonly unknown[],
  { literals = '', at = null as typeof here | null } = {},
) {
  const call = new Call(template, request, at, literals, values);
  request.calls.push(call);
  return call;
}

function end(request: OpenRequest, call: Call, sentAt: number, endedAt: number): void {
  call.sentAt = sentAt;
  call.endedAt = endedAt;
  call.ended = request.nextSequence();
}

test('calls one after the other do not overlap, calls begun together do, whatever ends first', () => {
  const request = new OpenRequest('GET', 0, alone, true, true);
  for (const id of [1, 2]) end(request, begin(request, byId, [id]), id, id + 0.5);
  const [slow, quick] = [begin(request, byId, [3]), begin(request, byId, [4])];
  end(request, quick, 3, 4);
  const late = begin(request, byId, [5]);
  end(request, slow, 3, 6);
  end(request, late, 5, 7);
  const [statement] = templatesOf(request).get(byId)!.places;
  expect(statement).toMatchObject({ calls: 5, overlapping: 2, duplicates: 0, totalMs: 0.5 + 0.5 + 1 + 3 + 2 });
});

test('a duplicate has the text and the parameters of an earlier call, from wherever it is made', () => {
  const request = new OpenRequest('GET', 0, alone, true, true);
  begin(request, byId, [7], { at: here });
  begin(request, byId, ['7'], { at: there });
  begin(request, byId, [8], { at: there });
  begin(request, byTitle, [], { literals: "SELECT id FROM posts WHERE title = 'a'" });
  begin(request, byTitle, [], { literals: "SELECT id FROM posts WHERE title = 'b'" });
  begin(request, byTitle, [], { literals: "SELECT id FROM posts WHERE title = 'a'" });
  const templates = templatesOf(request);
  expect(templates.get(byId)!.places).toMatchObject([
    { location: here, calls: 1, duplicates: 0 },
    { location: there, calls: 2, duplicates: 1 },
  ]);
  expect(templates.get(byTitle)!.places).toMatchObject([{ calls: 3, duplicates: 1 }]);
});

test('query time counts overlaps once and ends with the request', () => {
  const request = new OpenRequest('GET', 0, alone, true, true);
  end(request, begin(request, byId, [1]), 10, 20);
  end(request, begin(request, byId, [2]), 15, 18);
  end(request, begin(request, byId, [3]), 19, 25);
  end(request, begin(request, byId, [4]), 30, 90);
  begin(request, byId, [5]).sentAt = 35;
  begin(request, byId, [6]);
  request.closedAt = 40;
  expect(queryMsOf(request)).toBe(25 - 10 + (40 - 30));
});

test('what has not ended yet is told apart, to be added when it does', () => {
  const request = new OpenRequest('GET', 0, alone, true, true);
  const call = begin(request, byId, [1]);
  request.closedAt = 5;
  expect(templatesOf(request).get(byId)!.places).toMatchObject([{ calls: 1, totalMs: 0, unfinished: [call] }]);
});
