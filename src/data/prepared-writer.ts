/** @file Writes a Prepared set: each column is spilled to the disk as batches of rows come, then all are laid into one file. */
import { join } from 'node:path';
import { writeFileAtomic } from '../files/atomic.ts';
import { digestOf } from '../files/digest.ts';
import { writeSafetensors } from '../files/safetensors.ts';
import { columnFile, type Manifest, manifestFile } from './prepared.ts';
import type { RowBatch } from './row-batch.ts';
import { createSpill, type Spill } from './spill.ts';
import { contentColumns, type Shape } from './stage.ts';

export type PreparedWriter = {
  readonly rows: number;
  readonly targets: number;
  append(batch: RowBatch): void;
  finish(manifest: Omit<Manifest, Computed>): Manifest;
  /** Removes what was spilled. */
  close(): void;
};

type Computed = 'digest' | 'rows' | 'documents' | 'tokens' | 'targets' | 'truncated' | 'files';

const bytesOfType = { I32: 4, I64: 8 } as const;

export function createPreparedWriter(folder: string, shape: Shape): PreparedWriter {
  const spills = new Map<string, { readonly dtype: 'I32' | 'I64'; readonly spill: Spill }>();
  const column = (name: string, dtype: 'I32' | 'I64' = 'I32'): Spill => {
    const spill = createSpill(join(folder, `${name}.part`));
    spills.set(name, { dtype, spill });
    return spill;
  };
  /** Bounds of rows: sums of what stands before, one more than there are lengths. */
  const offsets = (name: string): ((lengths: Int32Array) => void) => {
    const spill = column(name, 'I64');
    spill.append(BigInt64Array.of(0n));
    let at = 0;
    return (lengths) => {
      const sums = new BigInt64Array(lengths.length);
      for (const [i, length] of lengths.entries()) {
        at += length;
        sums[i] = BigInt(at);
      }
      spill.append(sums);
    };
  };

  const columns = Object.keys(shape.columns).map((name) => [name, column(name)] as const);
  const groups = [...new Set(Object.values(shape.columns))].map(
    (group) => [group, offsets(`${group}_offsets`)] as const,
  );
  const documents = offsets('document_offsets');
  const lengths = column('document_lengths');
  // Where rows came from is told with them, and is no part of what they are.
  const documentTargets = column('document_targets');
  const whole = column('document_whole');
  const truncated = column('document_truncated');
  const truncatedReply = column('document_truncated_reply');
  const files = column('source_file');
  const lines = column('source_line');
  const sourceRows = column('source_row');
  const targets = column('targets');

  const fileIndex = new Map<string, number>();
  const totals = { rows: 0, documents: 0, tokens: 0, targets: 0, truncated: 0 };
  const sum = (values: Int32Array): number => values.reduce((all, n) => all + n, 0);

  return {
    get rows() {
      return totals.rows;
    },
    get targets() {
      return totals.targets;
    },
    append(batch) {
      const { numbers } = batch;
      const known = batch.files.map((file) => {
        const index = fileIndex.get(file) ?? fileIndex.size;
        fileIndex.set(file, index);
        return index;
      });
      for (const [name, spill] of columns) spill.append(batch.columns[name]);
      for (const [group, append] of groups) append(batch.bounds[group]);
      documents(numbers.row_documents);
      lengths.append(numbers.length);
      documentTargets.append(numbers.targets);
      whole.append(numbers.whole);
      truncated.append(numbers.truncated);
      truncatedReply.append(numbers.truncated_reply);
      files.append(numbers.file.map((file) => known[file]));
      lines.append(numbers.line);
      sourceRows.append(numbers.row);
      targets.append(numbers.row_targets);
      totals.rows += batch.rows;
      totals.documents += numbers.length.length;
      totals.tokens += sum(numbers.length);
      totals.targets += sum(numbers.row_targets);
      totals.truncated += sum(numbers.truncated);
    },
    finish(given) {
      writeSafetensors(
        join(folder, columnFile),
        [...spills].map(([name, { dtype, spill }]) => ({
          name,
          dtype,
          shape: [spill.bytes / bytesOfType[dtype]],
          bytes: () => spill.read(),
        })),
      );
      const manifest: Manifest = {
        ...given,
        ...totals,
        digest: digestOf(
          ...contentColumns(shape).map((name) => spills.get(name)?.spill.digest() ?? ''),
        ),
        files: [...fileIndex.keys()],
      };
      writeFileAtomic(join(folder, manifestFile), `${JSON.stringify(manifest, null, 1)}\n`);
      return manifest;
    },
    close() {
      for (const { spill } of spills.values()) spill.close();
    },
  };
}
