/**
 * Fields that hold a regular expression, as Go understands them.
 */
import {z} from 'zod';
import {regularExpressionProblem} from './felix-syntax.ts';

export const regularExpression = (): z.ZodString =>
  z
    .string()
    .superRefine((text, context) => {
      const problem = regularExpressionProblem(text);
      if (problem !== undefined) context.addIssue(problem);
    })
    .describe('must be a regular expression');
