import { expect, test } from 'vitest';
import { aMeasurement, aRuntime } from '../finding/fixtures/observations.ts';
import { whyOutOfReach } from './driver-within-reach.ts';

const reason = (...hooks: readonly string[]) => whyOutOfReach(aMeasurement({ 'agent.runtime': aRuntime({ hooks }) }));

test('statements of node-postgres are within reach, whatever else is loaded that writes to other databases', () => {
  expect(reason('node:http', 'pg 8.23.1', 'pg-pool 3.14.0')).toBeNull();
  expect(reason('pg (bundled)')).toBeNull();
  expect(reason('pg 8.23.1', 'mysql2 3.24.6', 'knex 3.3.0')).toBeNull();
});

test('those of another driver are not, and the sentence names it', () => {
  expect(reason('postgres 3.4.9')).toMatch(/node-postgres \(pg\) only.*through postgres 3\.4\.9$/);
  expect(reason('mysql2 3.24.6', 'typeorm 1.1.1')).toMatch(/through mysql2 3\.24\.6$/);
  expect(reason('postgres (bundled)', 'pg (bundled, not in use yet)')).toMatch(/through postgres \(bundled\)$/);
  expect(reason('node:http')).toMatch(/which the backend has not loaded$/);
});

test('nor those of node-postgres where another driver may write what they read', () => {
  expect(reason('pg 8.23.1', 'postgres 3.4.9')).toMatch(/^postgres 3\.4\.9 is loaded beside pg 8\.23\.1/);
  expect(reason('pg 8.23.1', 'postgres (bundled, not in use yet)')).toMatch(/not in use yet\) is loaded beside/);
});

test('where nobody saw the drivers, nothing is held against them', () => {
  expect(whyOutOfReach(aMeasurement({ 'agent.runtime': aRuntime() }))).toBeNull();
  expect(whyOutOfReach(aMeasurement({}))).toBeNull();
});
