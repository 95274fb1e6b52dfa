/** @file What `cutoff_len` makes of a row, as its stage encodes it: what is cut, and whether anything is left to learn. */
import { type EncodeOptions, type Encoder, encodeTurns } from '../encode-example.ts';
import { encodePair } from '../encode-pair.ts';
import { encodePrompt } from '../encode-prompt.ts';
import { encodeTagged } from '../encode-tagged.ts';
import { type Example, isReply } from '../example.ts';
import { countTargets } from '../labels.ts';
import type { Document } from '../row-batch.ts';
import { kindOf, type Stage, type Kind as StageKind } from '../stage.ts';
import type { Kind } from './check.ts';
import { beyondCutoff, cutByLength, cutPrompt, unsupervised } from './checks/training.ts';
import type { TrainingCheck } from './examine-row.ts';
import type { Path } from './locate.ts';
import type { RowView } from './view.ts';

export type LengthCheck = (
  example: Example,
  view: RowView,
  options: EncodeOptions,
  add: Parameters<TrainingCheck>[2],
) => void;

/** The message of an example in its row, whose first may be the system's. */
export const turnPath = ({ turns, reply }: RowView, index: number): Path | undefined =>
  turns.filter(({ role }) => role !== 'system')[index]?.path ?? reply?.path;

/** What `overlong` makes of a row that is too long, where it is not cut. */
const tooLong: Readonly<Record<'drop' | 'error', Kind>> = {
  drop: {
    ...cutByLength,
    severity: 'note',
    title: 'a row is longer than `cutoff_len` and left out',
  },
  error: {
    ...cutByLength,
    severity: 'error',
    title: 'a row is longer than `cutoff_len`, and the run refuses it',
  },
};

const endsWithReply = ({ messages }: Example): boolean => {
  const last = messages.at(-1);
  return last !== undefined && isReply(last.role);
};

const conversation: LengthCheck = (example, view, options, add) => {
  if (!endsWithReply(example)) return;
  const { turns, labeled } = encodeTurns(example, options);
  const { labels, kept, truncated } = labeled;
  const length = labels.length + truncated;
  const path = view.reply?.path;
  if (isLost(countTargets(labels), { truncated, length, path }, options, add)) return;
  const size = `the row has ${length} tokens, \`cutoff_len\` keeps ${options.cutoff}`;
  const cutSource = turns.findIndex(({ source }, i) => kept[i].source < source.length);
  const cutTarget = turns.findIndex(({ target }, i) => kept[i].target < target.length);
  if (cutSource >= 0)
    add(
      cutPrompt,
      `${size}: prompt ${cutSource} loses its end`,
      turnPath(view, 2 * cutSource) ?? path,
    );
  if (cutTarget >= 0) {
    const lost = turns[cutTarget].target.length - kept[cutTarget].target;
    add(cutByLength, `${size}: reply ${cutTarget} loses its last ${lost} tokens`, path);
  }
};

/** Says that nothing is learned, or that the row is not cut but left out or refused; true where no more is to say. */
function isLost(
  targets: number,
  row: { readonly truncated: number; readonly length: number; readonly path: Path | undefined },
  { cutoff, overlong }: EncodeOptions,
  add: Parameters<TrainingCheck>[2],
): boolean {
  const { truncated, length, path } = row;
  if (truncated > 0 && overlong !== 'truncate') {
    add(tooLong[overlong], `the row has ${length} tokens, \`cutoff_len\` is ${cutoff}`, path);
  } else if (targets === 0 && truncated > 0) {
    const begins = `its replies begin after the first ${cutoff}`;
    add(beyondCutoff, `the row has ${length} tokens, and ${begins}`, path);
  } else if (targets === 0) add(unsupervised, 'its replies are no tokens', path);
  return truncated === 0 || targets === 0 || overlong !== 'truncate';
}

/** A row of one prompt, by what its own encoder makes of it. */
const oneTurn =
  (encode: Encoder, targetsOf: (document: Document) => number): LengthCheck =>
  (example, view, options, add) => {
    // What a run stops at is a finding here.
    const patient: EncodeOptions = { ...options, overlong: 'truncate', allowUnsupervised: true };
    const document = encode(example, patient, () => {});
    if (!document) {
      // It says why.
      encode(example, options, () => {});
      return;
    }
    const { truncated, truncatedReply, whole: length } = document;
    const path = (view.chosen ?? view.reply)?.path;
    if (isLost(targetsOf(document), { truncated, length, path }, options, add)) return;
    const size = `the row has ${length} tokens, \`cutoff_len\` keeps ${options.cutoff}`;
    const asked = view.passages.findLast(({ part }) => part === 'prompt')?.path ?? path;
    const lost = truncated - truncatedReply;
    if (lost > 0) add(cutPrompt, `${size}: the prompt loses its last ${lost} tokens`, asked);
    // The reply to a prompt of `ppo` is the model's own.
    if (truncatedReply > 0 && document.targets > 0) {
      const replies = view.chosen ? 'the replies lose' : 'the reply loses';
      add(cutByLength, `${size}: ${replies} ${truncatedReply} tokens at the end`, path);
    }
  };

const learned = ({ targets }: Document): number => targets;

/** Texts to continue are cut into blocks, of which nothing is lost. */
const checksOfKinds: Readonly<Record<StageKind, LengthCheck | undefined>> = {
  text: undefined,
  conversations: conversation,
  pairs: oneTurn(encodePair, learned),
  // Which row's reply makes the KL pair is for the run to say; each stands for itself here.
  tagged: oneTurn(
    (example, options, warn) =>
      endsWithReply(example) ? encodeTagged(example, example, options, warn) : undefined,
    learned,
  ),
  prompts: oneTurn(encodePrompt, ({ columns }) => columns.prompt_ids?.length ?? 0),
};

export const lengthCheckOf = (stage: Stage): LengthCheck | undefined =>
  checksOfKinds[kindOf[stage]];
