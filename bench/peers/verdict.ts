/** @file Whether two contestants did the same work: if not, no figure of theirs may stand side by side. */
import { residuals, type Step } from '../steps.ts';

/**
 * Why the figures of a contestant do not count; empty where they do. Both must have read the same numbers of tokens in
 * each step, learned something in each, and had the same losses within `tolerance` (undefined: other weights, so losses
 * are not compared).
 */
export function faultsOf(
  steps: readonly Step[],
  reference: readonly Step[],
  tolerance: number | undefined,
): string[] {
  const faults: string[] = [];
  if (steps.length !== reference.length) {
    return [`${steps.length} steps, and the reference has ${reference.length}`];
  }
  for (const [i, step] of steps.entries()) {
    const at = `step ${i + 1}`;
    const { read, supervised } = reference[i];
    if (step.read !== read || step.supervised !== supervised) {
      faults.push(
        `${at} had ${step.read} tokens, ${step.supervised} supervised, and the reference ${read}, ${supervised}`,
      );
    }
    if (!(step.gradNorm > 0)) faults.push(`${at} learned nothing: gradient norm ${step.gradNorm}`);
  }
  if (tolerance !== undefined) {
    const { most } = residuals(steps, reference);
    // Not a number is beyond any tolerance.
    if (!(most <= tolerance)) {
      faults.push(`its losses differ by up to ${most.toPrecision(3)}, and ${tolerance} is allowed`);
    }
  }
  return faults;
}
