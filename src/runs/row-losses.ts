/**
 * @file `row-losses.bin`: the loss of each row at each step, which cannot be had afterwards. Records of 16 bytes,
 * little-endian: step (i32), row of the Prepared set (i32), sum of its tokens' losses (f32), targets (i32).
 */
import { readFileSync, readSync } from 'node:fs';
import { type AppendFile, openAppend } from '../files/append-file.ts';

export const rowLossesName = 'row-losses.bin';

const recordBytes = 16;

export type RowLoss = {
  readonly step: number;
  readonly row: number;
  readonly sum: number;
  readonly targets: number;
};

export type RowLossesFile = Pick<AppendFile, 'sync' | 'close'> & {
  append(
    step: number,
    rows: ArrayLike<number>,
    sums: ArrayLike<number>,
    targets: ArrayLike<number>,
  ): void;
};

/** Opens it to go on after step `from`: what an attempt that died wrote beyond that step is cut off. */
export function openRowLosses(path: string, from: number): RowLossesFile {
  const file = openAppend(path, (fd, size) => endOfStep(fd, size, from));
  return {
    append(step, rows, sums, targets) {
      const view = new DataView(new ArrayBuffer(rows.length * recordBytes));
      for (let i = 0; i < rows.length; i++) {
        const at = i * recordBytes;
        view.setInt32(at, step, true);
        view.setInt32(at + 4, rows[i]!, true);
        view.setFloat32(at + 8, sums[i]!, true);
        view.setInt32(at + 12, targets[i]!, true);
      }
      file.append(new Uint8Array(view.buffer));
    },
    sync: () => file.sync(),
    close: () => file.close(),
  };
}

/** Steps only grow along the file, so the end of one is found by halving. */
function endOfStep(fd: number, size: number, step: number): number {
  const record = Buffer.alloc(4);
  let low = 0;
  let high = Math.floor(size / recordBytes);
  while (low < high) {
    const middle = (low + high) >>> 1;
    readSync(fd, record, 0, 4, middle * recordBytes);
    if (record.readInt32LE() <= step) low = middle + 1;
    else high = middle;
  }
  return low * recordBytes;
}

/** All of it; a torn end is passed over. */
export function readRowLosses(path: string): RowLoss[] {
  const bytes = readFileSync(path);
  return Array.from({ length: Math.floor(bytes.length / recordBytes) }, (_, i) => {
    const at = i * recordBytes;
    return {
      step: bytes.readInt32LE(at),
      row: bytes.readInt32LE(at + 4),
      sum: bytes.readFloatLE(at + 8),
      targets: bytes.readInt32LE(at + 12),
    };
  });
}
