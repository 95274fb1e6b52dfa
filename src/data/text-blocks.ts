/**
 * @file `stage: pt`: texts end to end, each with its end-of-text token, cut into blocks of `cutoff_len`.
 * As LLaMA-Factory, but that it drops what is left of each thousand texts: here it goes on into the next
 * block, and the last, shorter block is kept; and that BOS goes before a block's text, not over its first token.
 */
import type { Place } from '../core/errors.ts';
import type { Tokenizer } from '../tokenizer/tokenizer.ts';
import { concat } from './chat-template.ts';
import { tooLong } from './errors.ts';
import type { Example } from './example.ts';
import { countTargets } from './labels.ts';
import type { Document } from './row-batch.ts';
import type { DataSettings } from './settings.ts';

export type TextJoiner = { add(ids: Int32Array, place: Place): void; end(): void };

/** A text with its end-of-text token, which `createTextJoiner` cuts. */
export function textEncoder(
  settings: Pick<DataSettings, 'template' | 'packing' | 'cutoff_len' | 'overlong'>,
  tokenizer: Tokenizer,
): (example: Example) => Document {
  const end = endOfText(tokenizer, settings.template);
  const room = settings.packing ? Infinity : roomOf(settings.cutoff_len, tokenizer);
  return ({ messages, place }) => {
    const ids = concat([tokenizer.encode(messages[0]?.content ?? ''), end]);
    const truncated = Math.max(0, ids.length - room);
    if (truncated > 0 && settings.overlong === 'error') {
      throw tooLong(place, truncated, settings.cutoff_len);
    }
    const none = { targets: 0, truncatedReply: 0 };
    return { columns: { input_ids: ids }, ...none, whole: ids.length, truncated, place };
  };
}

export function createTextJoiner(
  settings: Pick<DataSettings, 'cutoff_len' | 'packing' | 'preprocessing_batch_size'>,
  tokenizer: Tokenizer,
  emit: (document: Document) => void,
): TextJoiner {
  const { cutoff_len: cutoff, packing, preprocessing_batch_size } = settings;
  const begin = beginOfText(tokenizer);
  const room = roomOf(cutoff, tokenizer);

  const emitBlock = (text: Int32Array, truncated: number, place: Place): void => {
    const ids = concat([begin, text]);
    const columns = { input_ids: ids, labels: ids };
    const whole = ids.length + truncated;
    const targets = countTargets(ids);
    emit({ columns, targets, whole, truncated, truncatedReply: 0, place });
  };

  const block = new Int32Array(room);
  let filled = 0;
  let texts = 0;
  let blockPlace: Place = { file: '' };

  const flush = (): void => {
    if (filled > 0) emitBlock(block.subarray(0, filled), 0, blockPlace);
    filled = 0;
  };

  return {
    add(ids, place) {
      if (!packing) {
        emitBlock(ids.subarray(0, room), Math.max(0, ids.length - room), place);
        return;
      }
      for (let at = 0; at < ids.length; ) {
        if (filled === 0) blockPlace = place;
        const taken = ids.subarray(at, at + room - filled);
        block.set(taken, filled);
        filled += taken.length;
        at += taken.length;
        if (filled < room) break;
        emitBlock(block, 0, blockPlace);
        filled = 0;
      }
      // LLaMA-Factory cuts each batch of texts by itself and drops what is left; here that is a shorter block.
      if (++texts % preprocessing_batch_size === 0) flush();
    },
    end: flush,
  };
}

/** LLaMA-Factory's exception: with Llama 3's template, texts end as in its pre-training. */
function endOfText(tokenizer: Tokenizer, template: string | null): Int32Array {
  const id =
    (template === 'llama3' ? tokenizer.idOf('<|end_of_text|>') : undefined) ?? tokenizer.eos?.id;
  return id === undefined ? new Int32Array(0) : Int32Array.of(id);
}

/** Tokens of text in a block. A block that BOS fills by itself would hold none at all. */
const roomOf = (cutoff: number, tokenizer: Tokenizer): number =>
  Math.max(1, cutoff - beginOfText(tokenizer).length);

/** BOS, where the tokenizer puts one before a text by itself. */
function beginOfText(tokenizer: Tokenizer): Int32Array {
  const [first] = tokenizer.encode('', { addSpecialTokens: true });
  const { bos } = tokenizer;
  return bos && first === bos.id ? Int32Array.of(bos.id) : new Int32Array(0);
}
