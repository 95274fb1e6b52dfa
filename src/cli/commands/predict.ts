/** @file `tunery predict`: what a model replies to every row of a data set. */
import { dataSection } from '../../data/settings.ts';
import { engineSection } from '../../engine/settings.ts';
import { inferSection } from '../../generate/backends.ts';
import { generateSection } from '../../generate/settings.ts';
import { modelSection } from '../../models/settings.ts';
import { defineCommand } from '../command.ts';
import { predictHere } from '../predict.ts';

export const predictCommand = defineCommand({
  name: 'predict',
  summary:
    'Let a model reply to every row of `eval_dataset` (or of what `val_size` holds back), into `generated_predictions.jsonl` of `output_dir`; with the file of a training, what was trained. Ctrl+C stops; the same command goes on.',
  examples: [
    'tunery predict examples/smollm2_lora_sft.yaml eval_dataset=identity max_samples=20',
    'tunery predict examples/smollm2_lora_sft.yaml eval_dataset=identity do_sample=false infer_backend=vllm vllm_python=/path/to/python',
    'tunery predict model_name_or_path=HuggingFaceTB/SmolLM2-135M-Instruct eval_dataset=questions.jsonl output_dir=saves/base',
  ],
  sections: [modelSection, generateSection, inferSection, dataSection, engineSection],
  run: predictHere,
});
