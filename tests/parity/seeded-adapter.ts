/** @file For tests: the seeded adapter of the references (`tests/golden/adapter.py`) as PEFT saves it. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isLinear, namedLayers } from '../../src/engine/nn/index.ts';
import { writeSafetensors } from '../../src/files/safetensors.ts';
import { buildModel } from '../../src/models/load.ts';
import type { ModelSource } from '../../src/models/source.ts';
import { adapterConfig } from '../../src/tuning/adapter-files.ts';
import { peftName } from '../../src/tuning/peft-adapter.ts';
import { seededAdapterWeight } from '../golden/named-values.ts';

/** Rank 8, alpha 16, on all linear layers but the head. */
export async function writeSeededAdapter(source: ModelSource, folder: string): Promise<string> {
  const { family, model } = await buildModel(source);
  const R = 8;
  const halves = [...namedLayers(model.root)].flatMap(([name, layer]) =>
    isLinear(layer) && layer !== (model.head as unknown)
      ? ([
          [peftName(`${name}.lora_A.weight`), [R, layer.inputs]],
          [peftName(`${name}.lora_B.weight`), [layer.outputs, R]],
        ] as const)
      : [],
  );
  mkdirSync(folder, { recursive: true });
  writeSafetensors(
    join(folder, 'adapter_model.safetensors'),
    halves.map(([name, shape]) => ({
      name,
      dtype: 'F32',
      shape,
      bytes: new Uint8Array(seededAdapterWeight(name, shape).buffer),
    })),
  );
  const spec = {
    rank: R,
    alpha: 16,
    dropout: 0,
    targets: family.adapterTargets,
    modulesToSave: [],
  };
  writeFileSync(
    join(folder, 'adapter_config.json'),
    adapterConfig({ ...spec, baseModel: source.name }),
  );
  return folder;
}
