/** @file One member of a zip file, unpacked as a stream (APPNOTE 6.3.10: stored or deflated, no ZIP64, no encryption). */
import { createHash } from 'node:crypto';
import {
  closeSync,
  createReadStream,
  createWriteStream,
  openSync,
  readSync,
  statSync,
} from 'node:fs';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createInflateRaw } from 'node:zlib';
import { badZip, readFault, writeFault } from './errors.ts';

type Member = { readonly method: number; readonly start: number; readonly packed: number };

const endRecord = 0x06054b50;
const directoryEntry = 0x02014b50;
const localHeader = 0x04034b50;
const stored = 0;
const deflated = 8;
const encrypted = 1;

function readAt(path: string, at: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  let count: number;
  try {
    const fd = openSync(path, 'r');
    try {
      count = readSync(fd, bytes, 0, length, at);
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    throw readFault(path, error);
  }
  if (count < length) throw badZip(path, 'it ends too early');
  return bytes;
}

function findMember(path: string, name: string): Member {
  const size = statSync(path).size;
  const tailLength = Math.min(size, 65_557);
  const tail = readAt(path, size - tailLength, tailLength);
  const mark = Buffer.alloc(4);
  mark.writeUInt32LE(endRecord);
  const end = tail.lastIndexOf(mark);
  if (end < 0 || end + 22 > tail.length) throw badZip(path, 'it has no list of its members');
  const directory = readAt(path, tail.readUInt32LE(end + 16), tail.readUInt32LE(end + 12));
  for (let at = 0; at + 46 <= directory.length; ) {
    if (directory.readUInt32LE(at) !== directoryEntry) throw badZip(path, 'its list is damaged');
    const nameLength = directory.readUInt16LE(at + 28);
    const next =
      at + 46 + nameLength + directory.readUInt16LE(at + 30) + directory.readUInt16LE(at + 32);
    if (directory.toString('utf8', at + 46, at + 46 + nameLength) === name) {
      const method = directory.readUInt16LE(at + 10);
      if ((directory.readUInt16LE(at + 8) & encrypted) !== 0) throw badZip(path, 'it is encrypted');
      if (method !== stored && method !== deflated)
        throw badZip(path, `packed by method ${method}`);
      const offset = directory.readUInt32LE(at + 42);
      const header = readAt(path, offset, 30);
      if (header.readUInt32LE(0) !== localHeader) throw badZip(path, 'its list is damaged');
      const start = offset + 30 + header.readUInt16LE(26) + header.readUInt16LE(28);
      return { method, start, packed: directory.readUInt32LE(at + 20) };
    }
    at = next;
  }
  throw badZip(path, `it does not hold \`${name}\``);
}

/** Writes a member to a new file. Returns its SHA-256. More than `limit` bytes are an error. */
export async function unzipMember(
  path: string,
  name: string,
  target: string,
  limit: number,
): Promise<string> {
  const { method, start, packed } = findMember(path, name);
  const hash = createHash('sha256');
  let bytes = 0;
  const count = new Transform({
    transform(chunk: Buffer, _, done) {
      bytes += chunk.length;
      hash.update(chunk);
      if (bytes > limit) done(badZip(path, `\`${name}\` is larger than ${limit} bytes`));
      else done(null, chunk);
    },
  });
  const source = createReadStream(path, { start, end: start + packed - 1 });
  const sink = createWriteStream(target, { flags: 'wx' });
  try {
    if (method === stored) await pipeline(source, count, sink);
    else await pipeline(source, createInflateRaw(), count, sink);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : '';
    if (code.startsWith('Z_')) throw badZip(path, `\`${name}\` is damaged`);
    throw writeFault(target, error, limit);
  }
  return hash.digest('hex');
}
