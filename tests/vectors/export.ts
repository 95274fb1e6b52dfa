/** @file Vectors of kind `export`: a template's flags, and its text for other programs. */
import { namedTemplate } from '../../src/data/templates/named.ts';
import type { NamedTemplate } from '../../src/data/templates/template.ts';
import { toJinja } from '../../src/data/templates/to-jinja.ts';
import { toModelfile } from '../../src/data/templates/to-ollama.ts';
import { tokenizerOf } from './byte-tokenizer.ts';
import { compare } from './compare.ts';
import { templateOf, today } from './encode.ts';
import { objectOf, textOf, type Vector } from './vector.ts';

/** LLaMA-Factory's classes of the readers of media. */
const readers: Readonly<Record<string, string>> = {
  ernie_vl: 'ErnieVLPlugin',
  gemma3: 'Gemma3Plugin',
  gemma3n: 'Gemma3nPlugin',
  gemma4: 'Gemma4Plugin',
  glm4v: 'GLM4VPlugin',
  intern_vl: 'InternVLPlugin',
  kimi_vl: 'KimiVLPlugin',
  llama4: 'Llama4Plugin',
  llava: 'LlavaPlugin',
  llava_next: 'LlavaNextPlugin',
  llava_next_video: 'LlavaNextVideoPlugin',
  lfm2_vl: 'LFMVLPlugin',
  minicpm_v: 'MiniCPMVPlugin',
  minicpm_v_4_6: 'MiniCPMV4_6Plugin',
  mllama: 'MllamaPlugin',
  moss_vl: 'MossVLPlugin',
  paligemma: 'PaliGemmaPlugin',
  pixtral: 'PixtralPlugin',
  qwen2_audio: 'Qwen2AudioPlugin',
  qwen2_omni: 'Qwen2OmniPlugin',
  qwen2_vl: 'Qwen2VLPlugin',
  qwen3_vl: 'Qwen3VLPlugin',
  video_llava: 'VideoLlavaPlugin',
  youtu_vl: 'YoutuVLPlugin',
};

function classOf({ systemPlace, thinking, trimsLoneTools }: NamedTemplate): string {
  if (systemPlace === 'user') return 'Llama2Template';
  if (thinking === 'closing-word') return 'Glm47ReasoningTemplate';
  if (thinking === 'both-words') return 'ReasoningTemplate';
  return trimsLoneTools ? 'MossVLTemplate' : 'Template';
}

export function checkExport(vector: Vector): void {
  const template = templateOf(vector);
  const given = objectOf(vector.tokenizer);
  const tokenizer = tokenizerOf(given, template);
  const chat = namedTemplate(template, tokenizer, { today });
  const stops = chat.stopIds.map((id) => tokenizer.decode([id])).sort();
  const tokens = { bos: textOf(given.bos), eos: textOf(given.eos) };

  compare('legacy', vector.legacy, template.legacy);
  compare('stop_words', vector.stop_words, template.stopWords);
  compare('stop_tokens', vector.stop_tokens, stops);
  compare('efficient_eos', vector.efficient_eos, template.efficientEos);
  compare('replace_eos', vector.replace_eos, template.replaceEos);
  compare('replace_jinja_template', vector.replace_jinja_template, template.replaceJinja);
  compare('default_system', vector.default_system, template.defaultSystem);
  compare('thought_words', vector.thought_words, template.thoughtWords);
  compare('tool_call_words', vector.tool_call_words, template.toolCallWords);
  const told = template.toolsText === undefined ? template.tools : null;
  compare('tool_format', vector.tool_format, told);
  compare('function_tool_format', vector.function_tool_format, template.tools);
  compare('template_class', vector.template_class, classOf(template));
  const reader = template.media === undefined ? 'BasePlugin' : readers[template.media];
  compare('mm_plugin', vector.mm_plugin, reader);
  compare('chat_template', vector.chat_template, toJinja(template, tokens) ?? null);

  const file = toModelfile(template, tokens, stops);
  const isStop = (line: string): boolean => line.startsWith('PARAMETER stop ');
  const lines = file?.split('\n') ?? [];
  // LLaMA-Factory's begins with a line that says who wrote it.
  const expected = vector.ollama_modelfile;
  const modelfile = typeof expected === 'string' ? expected.replace(/^#.*\n\n/, '') : expected;
  compare('ollama_modelfile', modelfile, file && lines.filter((line) => !isStop(line)).join('\n'));
  compare('ollama_stops', vector.ollama_stops, file && lines.filter(isStop).sort());
  compare('ollama_error', vector.ollama_error !== undefined, file === undefined);
}
