import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: [
      'src/**/*.test.ts',
      'tests/**/*.test.ts',
      'scripts/**/*.test.ts',
      'bench/**/*.test.ts',
    ],
    // A suite that trains holds both cores; more workers than that only fight for them.
    maxWorkers: 2,
    testTimeout: 60_000,
    // No test asks a real hub; those of the hub's client speak to a server of their own.
    env: { HF_HUB_OFFLINE: '1' },
    pool: 'forks',
    reporters: ['default', './scripts/closing-line.ts'],
  },
});
