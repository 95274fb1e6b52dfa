import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { TuneryError } from '../core/errors.ts';
import { type OrderOptions, orderSteps, stepsPerEpoch, totalSteps } from './order.ts';
import { openPlan, type PlannedRows, type PlanOptions, writePlan } from './plan.ts';

const order = (more: Partial<OrderOptions>): OrderOptions => ({
  rows: 10,
  batch: 2,
  accumulation: 2,
  epochs: 2,
  maxSteps: -1,
  seed: 42,
  shuffle: true,
  ...more,
});
const stepsOf = (more: Partial<OrderOptions>) =>
  [...orderSteps(order(more))].map(({ rows }) => [...rows]);

describe('the order', () => {
  test('counts steps as transformers does', () => {
    // From its Trainer: ceil(ceil(rows / batch) / accumulation), and ceil(epochs · that).
    expect(stepsPerEpoch(order({}))).toBe(3);
    expect(totalSteps(order({}))).toBe(6);
    expect(totalSteps(order({ epochs: 2.5 }))).toBe(8);
    expect(totalSteps(order({ epochs: 0.1 }))).toBe(1);
    expect(totalSteps(order({ maxSteps: 5 }))).toBe(5);
    expect(stepsPerEpoch(order({ rows: 1, batch: 8 }))).toBe(1);
  });

  test('each epoch takes every row once, in another order; its last step takes what is left', () => {
    const steps = stepsOf({});
    expect(steps.map((rows) => rows.length)).toEqual([4, 4, 2, 4, 4, 2]);
    const epochs = [steps.slice(0, 3).flat(), steps.slice(3).flat()];
    for (const epoch of epochs)
      expect([...epoch].sort((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(epochs[0]).not.toEqual(epochs[1]);
  });

  test('more epochs go on from the same steps', () => {
    expect(stepsOf({ epochs: 5 }).slice(0, 6)).toEqual(stepsOf({}));
    expect(stepsOf({ maxSteps: 7 }).slice(0, 6)).toEqual(stepsOf({}));
  });

  test('without shuffling the files’ order stays', () => {
    expect(stepsOf({ shuffle: false, epochs: 1 })).toEqual([
      [0, 1, 2, 3],
      [4, 5, 6, 7],
      [8, 9],
    ]);
  });

  test('epochs are logged as transformers logs them', () => {
    // (micro-steps done) / ceil(rows / batch): 2/5, 4/5, 5/5.
    const epochs = [...orderSteps(order({}))].map(({ epoch }) => epoch);
    expect(epochs).toEqual([0.4, 0.8, 1, 1.4, 1.8, 2]);
  });
});

describe('the plan', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'tunery-plan-'));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  /** Row r has 10 + r targets, and 1 + r % 2 documents. */
  const prepared = (targets: (row: number) => number = (row) => 10 + row): PlannedRows => ({
    digest: 'digest of the set',
    count: 10,
    documents: (row) => new Int32Array(1 + (row % 2)),
    targetsOf: targets,
  });
  const options: PlanOptions = {
    batch: 2,
    accumulation: 2,
    epochs: 1,
    maxSteps: -1,
    seed: 42,
    shuffle: false,
    allowUnsupervised: false,
  };

  test('is read as it was written', () => {
    const path = join(folder, 'plan.safetensors');
    const written = writePlan(path, prepared(), options);
    const plan = openPlan(path);
    expect(plan.steps).toBe(3);
    expect(plan.digest).toBe(written.digest);
    expect([...plan.rows(1)]).toEqual([4, 5, 6, 7]);
    expect([0, 1, 2].map(plan.targets)).toEqual([46, 62, 37]);
    expect([0, 1, 2].map(plan.examples)).toEqual([6, 6, 3]);
    expect([0, 1, 2].map(plan.epoch)).toEqual([0.4, 0.8, 1]);
  });

  test('its digest is that of the order, not of its length', () => {
    const digest = (more: Partial<PlanOptions>): string =>
      writePlan(join(folder, 'p.safetensors'), prepared(), { ...options, ...more }).digest;
    expect(digest({ epochs: 9 })).toBe(digest({}));
    expect(digest({ batch: 4, accumulation: 1 })).not.toBe(digest({}));
    expect(digest({ shuffle: true })).not.toBe(digest({}));
    expect(digest({ shuffle: true, seed: 1 })).not.toBe(digest({ shuffle: true }));
  });

  test('a step in which nothing is learned is refused, with its rows', () => {
    const path = join(folder, 'plan.safetensors');
    const silent = prepared((row) => (row < 4 ? 0 : 1));
    expect(() => writePlan(path, silent, options)).toThrow(TuneryError);
    expect(() => writePlan(path, silent, options)).toThrow(/step 1.*0, 1, 2, 3/);
    expect(writePlan(path, silent, { ...options, allowUnsupervised: true }).targets(0)).toBe(0);
  });
});
