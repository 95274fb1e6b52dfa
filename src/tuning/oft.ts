/** @file OFT (Qiu et al. 2023, arXiv:2306.07280), which PEFT computes: what it is told. It begins as no rotation at all. */
import { configName, weightsName } from './peft-config.ts';
import { namedLinears } from './targets.ts';
import { defineTuning } from './tuning.ts';

export const oft = defineTuning({
  type: 'oft',

  apply(model, { settings, adapterTargets, baseModel }) {
    const { oft_rank, oft_block_size, oft_target, module_dropout } = settings;
    const targets = oft_target.includes('all') ? adapterTargets : oft_target;
    namedLinears(model, 'oft_target', targets);
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
