/** @file OFT (Qiu et al. 2023, arXiv:2306.07280), which PEFT computes: what it is told. It begins as no rotation at all. */
import { isLinear, namedLayers } from '../engine/nn/index.ts';
import { unknownTarget } from './errors.ts';
import { configName, weightsName } from './peft-config.ts';
import { defineTuning } from './tuning.ts';

export const oft = defineTuning({
  type: 'oft',

  apply(model, { settings, adapterTargets, baseModel }) {
    const { oft_rank, oft_block_size, oft_target, module_dropout } = settings;
    const targets = oft_target.includes('all') ? adapterTargets : oft_target;
    const names = [...namedLayers(model.root)].flatMap(([name, layer]) =>
      isLinear(layer) ? [name] : [],
    );
    for (const target of targets) {
      if (names.some((name) => name === target || name.endsWith(`.${target}`))) continue;
      const known = new Set(names.map((name) => name.slice(name.lastIndexOf('.') + 1)));
      throw unknownTarget('oft_target', target, [...known]);
    }
    const config = {
      base_model_name_or_path: baseModel,
      bias: 'none',
      coft: false,
      inference_mode: true,
      init_weights: true,
      module_dropout,
      modules_to_save: null,
      oft_block_size,
      peft_type: 'OFT',
      peft_version: '0.18.1',
      r: oft_rank,
      target_modules: targets,
      task_type: 'CAUSAL_LM',
      use_cayley_neumann: true,
    };
    return {
      parameters: new Map(),
      weightsFile: weightsName,
      weights: [],
      files: { [configName]: `${JSON.stringify(config, null, 2)}\n` },
    };
  },
});
