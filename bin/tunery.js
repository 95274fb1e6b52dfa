#!/usr/bin/env node
/**
 * @file The launcher. It answers --version at once, finds a Node that is new enough, and runs `src/` in a
 * clone or `dist/` in a package.
 */
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import module from 'node:module';
import { constants } from 'node:os';
import { dirname, join, sep } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const leastNode = 24;

if (process.argv[2] === '--version' || process.argv[2] === '-V') {
  console.log(`tunery ${JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).version}`);
} else if (Number(process.versions.node.split('.')[0]) < leastNode) {
  runOnNewerNode();
} else {
  module.enableCompileCache?.();
  followLauncher();
  // Node strips types in a clone, and refuses to under node_modules.
  const inClone = existsSync(join(root, 'src')) && !root.includes(`${sep}node_modules${sep}`);
  const load = (name) =>
    import(pathToFileURL(join(root, inClone ? `src/${name}.ts` : `dist/${name}.js`)).href);
  const args = process.argv.slice(2);
  if (args[0] === 'train') (await load('runs/engines/start-child')).startEarly(args);
  const { main, processTerminal } = await load('cli/main');
  process.exitCode = await main(args, processTerminal());
}

/** The package brings its own Node (an optional dependency), for machines with an older one. */
function runOnNewerNode() {
  const name = process.platform === 'win32' ? 'node.exe' : 'node';
  const packages = [
    `node-${process.platform}-${process.arch}`,
    `node-bin-${process.platform}-${process.arch}`,
  ];
  const candidates = [join(root, 'node_modules'), dirname(root)].flatMap((folder) => [
    ...packages.map((pkg) => join(folder, pkg, 'bin', name)),
    join(folder, '.bin', name),
  ]);
  const node = candidates.find((path) => existsSync(path));
  if (node === undefined) {
    console.error(
      `error[cli/old-node]: Tunery needs Node ${leastNode} or later, and this is ${process.versions.node}\n  help: install a newer Node, or run \`./tunery\` in the clone, which brings its own`,
    );
    process.exitCode = 1;
    return;
  }
  // The channel tells the child when this launcher is killed; Ctrl+C reaches the child by itself.
  const child = spawn(node, process.argv.slice(1), {
    stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
    env: { ...process.env, TUNERY_LAUNCHER: '1' },
  });
  process.on('SIGINT', () => {});
  for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  child.on('exit', (code, signal) => {
    process.exitCode = code ?? 128 + (constants.signals[signal] ?? 1);
  });
}

/** Ends with the launcher that started this process, in good order. */
function followLauncher() {
  if (process.env.TUNERY_LAUNCHER !== '1' || !process.channel) return;
  delete process.env.TUNERY_LAUNCHER;
  process.on('disconnect', () => process.kill(process.pid, 'SIGHUP'));
  process.channel.unref();
}
