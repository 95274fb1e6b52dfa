/** @file The parts of a template, as the parser finds them. */
export type Expression =
  | { readonly type: 'constant'; readonly value: null | boolean | string | number | bigint }
  | { readonly type: 'float'; readonly value: number }
  | { readonly type: 'name'; readonly name: string }
  | { readonly type: 'list' | 'tuple'; readonly items: readonly Expression[] }
  | { readonly type: 'dict'; readonly entries: readonly (readonly [Expression, Expression])[] }
  | { readonly type: 'attribute'; readonly object: Expression; readonly name: string }
  | { readonly type: 'item'; readonly object: Expression; readonly key: Expression | Slice }
  | { readonly type: 'call'; readonly callee: Expression; readonly args: Arguments }
  | {
      readonly type: 'filter';
      /** Undefined is the text of the block that the filter stands over. */
      readonly object: Expression | undefined;
      readonly name: string;
      readonly args: Arguments;
    }
  | {
      readonly type: 'test';
      readonly object: Expression;
      readonly name: string;
      readonly args: Arguments;
    }
  | { readonly type: 'not' | 'negative' | 'positive'; readonly object: Expression }
  | { readonly type: 'and' | 'or'; readonly left: Expression; readonly right: Expression }
  | {
      readonly type: 'binary';
      readonly operator: Operator;
      readonly left: Expression;
      readonly right: Expression;
    }
  | { readonly type: 'concat'; readonly parts: readonly Expression[] }
  | {
      readonly type: 'compare';
      readonly first: Expression;
      readonly rest: readonly (readonly [Comparison, Expression])[];
    }
  | {
      readonly type: 'condition';
      readonly test: Expression;
      readonly then: Expression;
      readonly otherwise: Expression | undefined;
    };

export type Operator = '+' | '-' | '*' | '/' | '//' | '%' | '**';
export type Comparison = '==' | '!=' | '<' | '<=' | '>' | '>=' | 'in' | 'not in';

export type Slice = {
  readonly type: 'slice';
  readonly start: Expression | undefined;
  readonly stop: Expression | undefined;
  readonly step: Expression | undefined;
};

export type Arguments = {
  readonly positional: readonly Expression[];
  readonly named: readonly (readonly [string, Expression])[];
  /** `*args` and `**kwargs`. */
  readonly star: Expression | undefined;
  readonly doubleStar: Expression | undefined;
};

export type Target =
  | { readonly type: 'name'; readonly name: string }
  | { readonly type: 'tuple'; readonly items: readonly Target[] }
  | { readonly type: 'namespace'; readonly object: string; readonly attribute: string };

export type Signature = readonly (readonly [name: string, fallback: Expression | undefined])[];

export type Statement =
  | { readonly type: 'text'; readonly text: string }
  | { readonly type: 'output'; readonly value: Expression }
  | { readonly type: 'set'; readonly target: Target; readonly value: Expression }
  | {
      readonly type: 'set-block';
      readonly target: Target;
      readonly filter: Expression | undefined;
      readonly body: Block;
    }
  | {
      readonly type: 'if';
      readonly branches: readonly (readonly [Expression, Block])[];
      readonly otherwise: Block;
    }
  | {
      readonly type: 'for';
      readonly target: Target;
      readonly items: Expression;
      readonly test: Expression | undefined;
      readonly recursive: boolean;
      readonly body: Block;
      readonly otherwise: Block;
    }
  | {
      readonly type: 'macro';
      readonly name: string;
      readonly parameters: Signature;
      readonly body: Block;
    }
  | {
      readonly type: 'call-block';
      readonly parameters: Signature;
      readonly call: Expression;
      readonly body: Block;
    }
  | { readonly type: 'filter-block'; readonly filter: Expression; readonly body: Block }
  | {
      readonly type: 'with';
      readonly values: readonly (readonly [Target, Expression])[];
      readonly body: Block;
    }
  | { readonly type: 'generation' | 'scope'; readonly body: Block }
  | { readonly type: 'break' | 'continue' }
  /** `include` and the like: an error where it is reached. */
  | { readonly type: 'refused'; readonly why: string };

export type Block = readonly Statement[];

/** Whether a part of this kind stands anywhere in a block, or in the blocks within it. */
function some(part: unknown, is: (node: object) => boolean): boolean {
  if (Array.isArray(part)) return part.some((each) => some(each, is));
  if (typeof part !== 'object' || part === null) return false;
  return is(part) || Object.values(part).some((each) => some(each, is));
}

export const hasStatement = (block: Block, type: Statement['type']): boolean =>
  some(block, (node) => 'type' in node && node.type === type);

export const mentions = (block: Block, name: string): boolean =>
  some(
    block,
    (node) => 'type' in node && node.type === 'name' && 'name' in node && node.name === name,
  );
