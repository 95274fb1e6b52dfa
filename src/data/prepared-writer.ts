/** @file Writes a Prepared set: documents are spilled to the disk as they come, then laid out in rows. */
import { createHash } from 'node:crypto';
import { closeSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { Place } from '../core/errors.ts';
import { writeFileAtomic } from '../files/atomic.ts';
import { writeSafetensors } from '../files/safetensors.ts';
import { countTargets } from './labels.ts';
import { columnFile, type Manifest, manifestFile } from './prepared.ts';

export type Document = {
  readonly ids: Int32Array;
  readonly labels: Int32Array;
  /** Tokens that were cut off. */
  readonly truncated: number;
  readonly place: Place;
};

/** Numbers that come one by one. */
class Growing {
  #values = new Int32Array(1024);
  length = 0;

  push(value: number): void {
    if (this.length === this.#values.length) {
      const wider = new Int32Array(2 * this.length);
      wider.set(this.#values);
      this.#values = wider;
    }
    this.#values[this.length++] = value;
  }

  get values(): Int32Array {
    return this.#values.subarray(0, this.length);
  }
}

const bytesOf = (array: Int32Array): Uint8Array =>
  new Uint8Array(array.buffer, array.byteOffset, array.byteLength);

/** A column on the disk: written at its end, read anywhere once it is whole. */
class Spill {
  readonly #path: string;
  readonly #fd: number;
  #held: Uint8Array[] = [];
  #heldBytes = 0;
  #window = new Int32Array(0);
  #windowAt = 0;
  length = 0;

  constructor(path: string) {
    this.#path = path;
    this.#fd = openSync(path, 'wx+', 0o600);
  }

  append(values: Int32Array): void {
    // A copy: the caller's array may be a view of something that moves on.
    this.#held.push(bytesOf(values.slice()));
    this.#heldBytes += values.byteLength;
    this.length += values.length;
    if (this.#heldBytes >= 4 << 20) this.#flush();
  }

  #flush(): void {
    const bytes = Buffer.concat(this.#held);
    for (let at = 0; at < bytes.length; ) at += writeSync(this.#fd, bytes, at);
    this.#held = [];
    this.#heldBytes = 0;
  }

  read(from: number, length: number): Int32Array {
    if (this.#heldBytes > 0) this.#flush();
    const inWindow =
      from >= this.#windowAt && from + length <= this.#windowAt + this.#window.length;
    if (!inWindow) {
      // Documents mostly lie in the order in which they are asked for.
      this.#window = new Int32Array(Math.min(Math.max(length, 1 << 20), this.length - from));
      this.#windowAt = from;
      const bytes = bytesOf(this.#window);
      for (let at = 0; at < bytes.length; ) {
        const count = readSync(this.#fd, bytes, at, bytes.length - at, 4 * from + at);
        if (count === 0) throw new Error(`${this.#path} is shorter than what was written to it`);
        at += count;
      }
    }
    return this.#window.subarray(from - this.#windowAt, from - this.#windowAt + length);
  }

  close(): void {
    closeSync(this.#fd);
    rmSync(this.#path, { force: true });
  }
}

export type PreparedWriter = {
  readonly documents: number;
  /** Length of a document that was added. */
  lengthOf(document: number): number;
  /** The number of targets of the document. */
  add(document: Document): number;
  /** `rows` are the documents of each row; without it, each is a row of its own. */
  finish(manifest: Omit<Manifest, Computed>, rows?: readonly (readonly number[])[]): Manifest;
  /** Removes what was spilled. */
  close(): void;
};

type Computed = 'digest' | 'rows' | 'documents' | 'tokens' | 'targets' | 'truncated' | 'files';

export function createPreparedWriter(folder: string): PreparedWriter {
  const ids = new Spill(join(folder, 'ids.part'));
  const labels = new Spill(join(folder, 'labels.part'));
  const starts: number[] = [];
  const columns = {
    lengths: new Growing(),
    truncated: new Growing(),
    targets: new Growing(),
    files: new Growing(),
    lines: new Growing(),
    rows: new Growing(),
  };
  const fileIndex = new Map<string, number>();

  return {
    get documents() {
      return starts.length;
    },
    lengthOf: (document) => columns.lengths.values[document],
    add(document) {
      const { place } = document;
      const index = fileIndex.get(place.file) ?? fileIndex.size;
      fileIndex.set(place.file, index);
      starts.push(ids.length);
      ids.append(document.ids);
      labels.append(document.labels);
      const targets = countTargets(document.labels);
      columns.lengths.push(document.ids.length);
      columns.truncated.push(document.truncated);
      columns.targets.push(targets);
      columns.files.push(index);
      columns.lines.push(place.line ?? 0);
      columns.rows.push(place.row ?? -1);
      return targets;
    },
    finish(given, packs) {
      const rows = packs ?? starts.map((_, document) => [document]);
      const order = rows.flat();
      const pick = (column: Growing): Int32Array => {
        const { values } = column;
        return Int32Array.from(order, (document) => values[document]);
      };
      const lengths = pick(columns.lengths);
      const truncated = pick(columns.truncated);
      const { values: targetsOf } = columns.targets;
      const targets = Int32Array.from(rows, (pack) =>
        pack.reduce((sum, d) => sum + targetsOf[d], 0),
      );
      const { values: lengthOf } = columns.lengths;
      const rowOffsets = offsetsOf(
        rows.map((pack) => pack.reduce((sum, d) => sum + lengthOf[d], 0)),
      );
      const documentOffsets = offsetsOf(rows.map((pack) => pack.length));
      const pieces = (spill: Spill) =>
        function* (): Generator<Uint8Array> {
          for (const document of order)
            yield bytesOf(spill.read(starts[document], lengthOf[document]));
        };
      const tokens = lengths.reduce((sum, n) => sum + n, 0);
      const column = (name: string, values: Int32Array) => ({
        name,
        dtype: 'I32',
        shape: [values.length],
        bytes: bytesOf(values),
      });

      const hash = createHash('sha256');
      const fixed = [rowOffsets, documentOffsets].map((offsets) => new Uint8Array(offsets.buffer));
      for (const bytes of [...fixed, bytesOf(lengths)]) hash.update(bytes);
      for (const spill of [ids, labels]) for (const bytes of pieces(spill)()) hash.update(bytes);

      writeSafetensors(join(folder, columnFile), [
        { name: 'input_ids', dtype: 'I32', shape: [tokens], bytes: pieces(ids) },
        { name: 'labels', dtype: 'I32', shape: [tokens], bytes: pieces(labels) },
        { name: 'row_offsets', dtype: 'I64', shape: [rowOffsets.length], bytes: fixed[0] },
        {
          name: 'document_offsets',
          dtype: 'I64',
          shape: [documentOffsets.length],
          bytes: fixed[1],
        },
        column('document_lengths', lengths),
        column('document_truncated', truncated),
        column('source_file', pick(columns.files)),
        column('source_line', pick(columns.lines)),
        column('source_row', pick(columns.rows)),
        column('targets', targets),
      ]);
      const manifest: Manifest = {
        ...given,
        digest: hash.digest('hex'),
        rows: rows.length,
        documents: order.length,
        tokens,
        targets: targets.reduce((sum, n) => sum + n, 0),
        truncated: truncated.reduce((sum, n) => sum + n, 0),
        files: [...fileIndex.keys()],
      };
      writeFileAtomic(join(folder, manifestFile), `${JSON.stringify(manifest, null, 1)}\n`);
      return manifest;
    },
    close() {
      ids.close();
      labels.close();
    },
  };
}

/** Sums of what stands before, as 64-bit integers; one more than there are lengths. */
function offsetsOf(lengths: readonly number[]): BigInt64Array {
  const offsets = new BigInt64Array(lengths.length + 1);
  let at = 0;
  for (const [i, length] of lengths.entries()) {
    at += length;
    offsets[i + 1] = BigInt(at);
  }
  return offsets;
}
