import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: [
      'src/**/*.test.ts',
      'tests/**/*.test.ts',
      'scripts/**/*.test.ts',
      'bench/**/*.test.ts',
    ],
    // For two cores: a suite that trains holds both, but many wait for processes of their own, and a third worker fills that
    // (six minutes in place of eight).
    maxWorkers: 3,
    testTimeout: 60_000,
    // No test asks a real hub; those of the hub's client speak to a server of their own.
    env: { HF_HUB_OFFLINE: '1' },
    pool: 'forks',
    reporters: ['default', './scripts/closing-line.ts'],
  },
});
