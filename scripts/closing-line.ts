/** @file A vitest reporter that ends a run with `N passed, N failed`, one line for scripts to read. */
import type { Reporter, TestModule } from 'vitest/node';

export default class ClosingLine implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], errors: readonly unknown[]): void {
    const counts = { passed: 0, failed: 0, skipped: 0, pending: 0 };
    for (const module of modules) {
      // A module that cannot be loaded has no tests to count, and is a failure all the same.
      if (module.errors().length > 0) counts.failed++;
      // Nor are tests counted that a failed hook kept from beginning.
      for (const suite of module.children.allSuites()) {
        if (suite.errors().length > 0) counts.failed++;
      }
      for (const test of module.children.allTests()) counts[test.result().state]++;
    }
    counts.failed += errors.length;
    if (counts.skipped > 0) console.log(`${counts.skipped} skipped: the deep suite, or hardware`);
    console.log(`${counts.passed} passed, ${counts.failed} failed`);
  }
}
