/** @file LoRA+ (Hayou et al. 2024, arXiv:2402.12354): the halves of an adapter learn at rates of their own. */
import type { Parameter } from '../parameter.ts';

/**
 * What the learning rate is multiplied by: `ratio` for every B, and for norms and biases, as LLaMA-Factory groups them; 1
 * for every A and all else.
 */
export const loraPlusRate =
  (ratio: number) =>
  (name: string, { shape }: Pick<Parameter, 'shape'>): number =>
    name.includes('.lora_B.') || shape.length === 1 ? ratio : 1;
