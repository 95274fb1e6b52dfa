/** @file A batch of examples to documents, by what the stage learns from. */
import { type EncodeOptions, encodeExample, hasReply } from './encode-example.ts';
import { encodePair } from './encode-pair.ts';
import { encodePrompt } from './encode-prompt.ts';
import { encodeTagged } from './encode-tagged.ts';
import type { Example } from './example.ts';
import type { Document } from './row-batch.ts';
import type { Kind } from './stage.ts';
import type { Warning } from './warning.ts';

type Warn = (warning: Warning) => void;
/** In their order, without those that are left out. */
type EncodeBatch = (examples: readonly Example[], options: EncodeOptions, warn: Warn) => Document[];

export const encodeBatch: Readonly<Record<Exclude<Kind, 'text'>, EncodeBatch>> = {
  conversations: (examples, options, warn) =>
    examples.flatMap((example) => encodeExample(example, options, warn) ?? []),
  pairs: (examples, options, warn) =>
    examples.flatMap((example) => encodePair(example, options, warn) ?? []),
  prompts: (examples, options, warn) =>
    examples.flatMap((example) => encodePrompt(example, options, warn) ?? []),
  // The reply of the row before, within the batch; the first takes the last's (LLaMA-Factory).
  tagged(examples, options, warn) {
    const answered = examples.filter((example) => hasReply(example, options));
    return answered.flatMap((example, i) => {
      const before = answered.at(i - 1) ?? example;
      return encodeTagged(example, before, options, warn) ?? [];
    });
  },
};
