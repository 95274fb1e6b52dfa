/** @file The Rust addon: found, loaded once, and handed out untyped; `kernels/` gives each function its type. */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { environment } from './environment.ts';
import { addonMissing, unknownIsa } from './errors.ts';

// biome-ignore lint/complexity/noBannedTypes: each caller states the signature of what it takes.
type Addon = Readonly<Record<string, Function>>;

const library =
  process.platform === 'win32'
    ? 'tunery_kernels.dll'
    : process.platform === 'darwin'
      ? 'libtunery_kernels.dylib'
      : 'libtunery_kernels.so';

/** A prebuilt binary of a package comes first, then what cargo built in the clone. */
const places = [
  new URL(`../../prebuilt/${process.platform}-${process.arch}.node`, import.meta.url),
  new URL(`../../crates/kernels/target/release/${library}`, import.meta.url),
].map((url) => fileURLToPath(url));
const inClone = existsSync(new URL('../../crates/kernels/Cargo.toml', import.meta.url));

let loaded: Addon | undefined;

/** The instruction sets that the kernels know, the plainest first. */
export const instructionSets = ['portable', 'avx2', 'avx512', 'avx512-bf16', 'amx'] as const;

/**
 * The addon. Throws `native/addon-missing` with what to do where it was never built, and `native/unknown-isa` where
 * `TUNERY_ISA` names no instruction set; one that the machine lacks is the best that it has.
 */
export function addon(): Addon {
  if (loaded) return loaded;
  const forced = environment('TUNERY_ISA');
  const known: readonly string[] = [...instructionSets, 'reference'];
  if (forced !== undefined && !known.includes(forced)) throw unknownIsa(forced, known);
  // Another build of it: scripts/sanitize.ts runs the tests on one that checks every access.
  const path = environment('TUNERY_ADDON') ?? places.find((place) => existsSync(place));
  if (path === undefined) throw addonMissing(places.at(inClone ? -1 : 0)!, 'no such file', inClone);
  const module = { exports: {} };
  try {
    process.dlopen(module, path);
  } catch (error) {
    throw addonMissing(path, error instanceof Error ? error.message : String(error), inClone);
  }
  loaded = module.exports as Addon;
  return loaded;
}
