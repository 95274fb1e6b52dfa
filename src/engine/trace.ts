/** @file Spans of what the engine does, nested: steps, micro-batches, ops. Nobody listens but a profile. */

export type TraceSink = {
  begin(name: string): void;
  end(): void;
};

let sink: TraceSink | null = null;

/** Sends spans to a sink, or to none; gives the one before it. */
export function traceTo(next: TraceSink | null): TraceSink | null {
  const before = sink;
  sink = next;
  return before;
}

/** Runs `work` as a span of this name. */
export function span<Result>(name: string, work: () => Result): Result {
  if (sink === null) return work();
  const open = sink;
  open.begin(name);
  try {
    return work();
  } finally {
    open.end();
  }
}
