/**
 * @file What the torch engine is planned to serve and the native engine does not: keys, and `key: value` where only
 * some values of a key are meant. `config check` tells a file that wants these apart from one that nothing will run.
 */
const planned: ReadonlySet<string> = new Set([
  // bitsandbytes and PEFT have them.
  'quantization_method: gptq',
  'quantization_method: awq',
  'quantization_method: hqq',
  'quantization_method: eetq',
  'quantization_device_map',
  // Transformers has them.
  'rope_scaling',
  'train_from_scratch',
]);

export const isPlannedForTorch = (key: string, value: unknown): boolean =>
  planned.has(key) || planned.has(`${key}: ${String(value)}`);
