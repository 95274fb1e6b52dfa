/** @file PEFT's adapter_config.json, every field of 0.18 that LoRA has. */

export type AdapterSpec = {
  readonly baseModel: string;
  readonly rank: number;
  readonly alpha: number;
  readonly dropout: number;
  readonly targets: readonly string[];
  readonly modulesToSave: readonly string[];
  /** The embedding among them is the head too: without this PEFT would leave the head as it was. */
  readonly tiesHead?: boolean;
  readonly rslora?: boolean;
  readonly dora?: boolean;
};

export function adapterConfig(spec: AdapterSpec): string {
  const config = {
    alora_invocation_tokens: null,
    alpha_pattern: {},
    arrow_config: null,
    auto_mapping: null,
    base_model_name_or_path: spec.baseModel,
    bias: 'none',
    corda_config: null,
    ensure_weight_tying: spec.tiesHead ?? false,
    eva_config: null,
    exclude_modules: null,
    fan_in_fan_out: false,
    inference_mode: true,
    init_lora_weights: true,
    layer_replication: null,
    layers_pattern: null,
    layers_to_transform: null,
    loftq_config: {},
    lora_alpha: spec.alpha,
    lora_bias: false,
    lora_dropout: spec.dropout,
    megatron_config: null,
    megatron_core: 'megatron.core',
    modules_to_save: spec.modulesToSave.length > 0 ? spec.modulesToSave : null,
    peft_type: 'LORA',
    peft_version: '0.18.1',
    qalora_group_size: 16,
    r: spec.rank,
    rank_pattern: {},
    revision: null,
    target_modules: spec.targets,
    target_parameters: null,
    task_type: 'CAUSAL_LM',
    trainable_token_indices: null,
    use_dora: spec.dora ?? false,
    use_qalora: false,
    use_rslora: spec.rslora ?? false,
  };
  return `${JSON.stringify(config, null, 2)}\n`;
}
