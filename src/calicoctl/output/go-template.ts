/**
 * The part of Go's text/template that people use with calicoctl: fields, range, if, printf, index and join. Whatever else
 * the language has is refused by name, before anything is read.
 *
 * Names are those of Go's structs, which are the JSON names in another case: `.Spec.CIDR`, `.ObjectMeta.Name`. A name that
 * the kind does not have is an error; one that is not set is the zero value.
 */
import {Failure} from '../failure.ts';
import type {Result} from '../resource-reader.ts';
import {type Block, parseBlocks} from './template-parser.ts';
import {TemplateRun} from './template-run.ts';

/** Parses once; the result fills the template in. Throws a Failure that says what is not understood. */
export function parseTemplate(template: string): (results: readonly Result[]) => string {
  const blocks: readonly Block[] = parseBlocks(template);
  return (results) => {
    const run = new TemplateRun();
    try {
      return run.fill(blocks, results);
    } catch (error) {
      if (error instanceof RangeError) throw new Failure('template: get: the template is nested too deeply');
      throw error;
    }
  };
}
