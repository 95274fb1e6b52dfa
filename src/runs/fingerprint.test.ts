import { expect, test } from 'vitest';
import { loadConfig } from '../config/load.ts';
import { difference, Fingerprint, fingerprintDigest, fingerprintOf } from './fingerprint.ts';

function fingerprint(
  overrides: readonly string[] = [],
  parts: Readonly<Record<string, string>> = {},
) {
  const { job } = loadConfig({
    command: 'train',
    overrides: ['model_name_or_path=m', 'dataset=d', ...overrides],
  });
  return fingerprintOf({
    job,
    modelDigest: 'weights',
    dataDigest: 'rows',
    plan: 'order',
    adapter: null,
    code: '1.0.0',
    isa: 'avx2',
    ...parts,
  });
}

const plain = fingerprint();
const kinds = (now: Fingerprint) => difference(plain, now).map(({ kind }) => kind);

test('it comes back from JSON as it was', () => {
  expect(Fingerprint.parse(JSON.parse(JSON.stringify(plain)))).toEqual(plain);
  expect(difference(plain, JSON.parse(JSON.stringify(plain)))).toEqual([]);
});

test.each([
  ['output_dir=elsewhere'],
  ['save_steps=7'],
  ['logging_steps=1'],
  ['plot_loss=true'],
  ['gradient_checkpointing=true'],
  ['disable_gradient_checkpointing=false'],
  ['val_size=0.1', 'eval_strategy=steps'],
])('what no result depends on makes no difference: %s', (...overrides) => {
  const now = fingerprint(overrides);
  expect(kinds(now)).toEqual([]);
  expect(fingerprintDigest(now)).toBe(fingerprintDigest(plain));
});

test.each([
  ['identity', ['lora_rank=16', 'lora_alpha=16'], /`lora_rank` was 8 and is now 16/],
  ['identity', ['lora_target=q_proj'], /`lora_target` was \["all"\] and is now \["q_proj"\]/],
  ['identity', ['gradient_accumulation_steps=2'], /gradient_accumulation_steps/],
  ['length', ['num_train_epochs=5'], /`num_train_epochs` was 3 and is now 5/],
  ['course', ['learning_rate=1e-3'], /`learning_rate` was 0.00005 and is now 0.001/],
  ['course', ['weight_decay=0.1'], /weight_decay/],
  ['course', ['bf16=true'], /bf16/],
] as const)('%s: %s', (kind, overrides, words) => {
  const now = fingerprint(overrides);
  const found = difference(plain, now);
  expect(found.map((each) => each.kind)).toEqual([kind]);
  expect(found[0]?.words).toMatch(words);
  expect(fingerprintDigest(now)).not.toBe(fingerprintDigest(plain));
});

test.each([
  ['identity', { modelDigest: 'other' }, /model `m` has other weights/],
  ['identity', { dataDigest: 'other' }, /data of `d` changed/],
  ['identity', { plan: 'other' }, /order of the rows/],
  ['identity', { adapter: 'some' }, /adapter_name_or_path/],
  ['bits', { code: '2.0.0' }, /Tunery was 1.0.0 and is now 2.0.0/],
  ['bits', { isa: 'avx512' }, /avx2 and is now avx512/],
] as const)('%s: %s', (kind, parts, words) => {
  const found = difference(plain, fingerprint([], parts));
  expect(found.map((each) => each.kind)).toEqual([kind]);
  expect(found[0]?.words).toMatch(words);
});

test('the instruction set is told apart: it is not in the digest', () => {
  expect(fingerprintDigest(fingerprint([], { isa: 'avx512' }))).toBe(fingerprintDigest(plain));
});

test('when the evaluation counts only where it decides the weights', () => {
  const evaluation = ['val_size=0.1', 'eval_strategy=steps', 'early_stopping_steps=3'];
  const before = fingerprint([...evaluation, 'eval_steps=5']);
  const now = fingerprint([...evaluation, 'eval_steps=6']);
  expect(difference(before, now).map((each) => each.words)).toEqual([
    '`eval_steps` was 5 and is now 6',
  ]);
});

test('the rows of the evaluation count only where it decides the weights', () => {
  const rows = ['eval_dataset=e', 'eval_strategy=steps'];
  const [one, other] = [{ evaluationDigest: 'one' }, { evaluationDigest: 'other' }];
  expect(difference(fingerprint(rows, one), fingerprint(rows, other))).toEqual([]);
  const best = [...rows, 'early_stopping_steps=3'];
  expect(difference(fingerprint(best, one), fingerprint(best, other))).toMatchObject([
    { kind: 'identity', words: expect.stringMatching(/^the data of `d, e` changed/) },
  ]);
});
