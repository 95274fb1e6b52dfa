/** @file The tokens of a template, one after the other, for the parser. */
import type { Token, TokenType } from './lexer.ts';
import { deepestNesting, JinjaError } from './limits.ts';

export type TokenStream = ReturnType<typeof createTokenStream>;

export function createTokenStream(tokens: readonly Token[]) {
  let at = 0;
  let depth = 0;
  const stream = {
    get current(): Token {
      return tokens[at];
    },
    get following(): Token {
      return tokens[Math.min(at + 1, tokens.length - 1)];
    },
    next(): Token {
      const token = tokens[at];
      if (at < tokens.length - 1) at++;
      return token;
    },
    is: (type: TokenType, text?: string): boolean =>
      tokens[at].type === type && (text === undefined || tokens[at].text === text),
    isOperator: (text: string): boolean => stream.is('operator', text),
    isName: (...names: readonly string[]): boolean =>
      tokens[at].type === 'name' && names.includes(tokens[at].text),
    /** Takes the operator or name, where it comes next. */
    take(text: string): boolean {
      const { type } = tokens[at];
      if ((type !== 'operator' && type !== 'name') || tokens[at].text !== text) return false;
      stream.next();
      return true;
    },
    expect(type: TokenType, text?: string): Token {
      if (stream.is(type, text)) return stream.next();
      return stream.fail(
        `expected ${text ? `\`${text}\`` : describe(type)}, found ${stream.seen()}`,
      );
    },
    seen(): string {
      const { type, text } = tokens[at];
      return text === '' || type === 'data' ? describe(type) : `\`${text}\``;
    },
    fail(message: string): never {
      throw new JinjaError(`it is not valid Jinja: line ${tokens[at].line}: ${message}`);
    },
    /** Counts how deep brackets and blocks stand within each other. */
    nested<T>(parse: () => T): T {
      if (++depth > deepestNesting) stream.fail('it is nested too deeply');
      const result = parse();
      depth--;
      return result;
    },
  };
  return stream;
}

const described: Partial<Record<TokenType, string>> = {
  data: 'text',
  end: 'the end of the template',
  'variable-begin': '`{{`',
  'variable-end': '`}}`',
  'block-begin': '`{%`',
  'block-end': '`%}`',
};

const describe = (type: TokenType): string => described[type] ?? `a ${type}`;
