/** @file Line ends of a file: where both kinds occur, the rarer ones are reported. */
import type { Reported } from './raw-row.ts';

/** `add` each line as it goes by; `end` says what was found. */
export function lineEnds(path: string, report: Reported) {
  const kept = 10_000;
  const [plain, returned]: [number[], number[]] = [[], []];
  const counts = [0, 0];
  return {
    add(isReturn: boolean, line: number): void {
      const places = isReturn ? returned : plain;
      counts[isReturn ? 1 : 0]++;
      if (places.length < kept) places.push(line);
    },
    end(): void {
      if (counts[0] === 0 || counts[1] === 0) return;
      const isReturn = counts[1] <= counts[0];
      const message = isReturn
        ? 'the line ends with a carriage return, as most of the file’s do not'
        : 'the line ends without a carriage return, which most of the file’s have';
      for (const line of isReturn ? returned : plain)
        report('files/line-ends', message, { file: path, line });
    },
  };
}
