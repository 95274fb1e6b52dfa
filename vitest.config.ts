import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['src/**/*.test.ts', 'tests/**/*.test.ts', 'scripts/**/*.test.ts'],
    // A suite that trains holds both cores; more workers than that only fight for them.
    maxWorkers: 2,
    testTimeout: 60_000,
    pool: 'forks',
    reporters: ['default', './scripts/closing-line.ts'],
  },
});
