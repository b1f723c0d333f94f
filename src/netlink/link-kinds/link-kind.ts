/** What a file of this folder supplies so that links of its kind can be made and read. */
import type {AttributeCursor} from '../message-reader.ts';
import type {MessageWriter} from '../message-writer.ts';

/**
 * `Info` is what the kernel shows of a link of this kind, `Spec` what is needed to make one. Both carry the kind's
 * name as their tag.
 */
export interface LinkKind<Name extends string, Info extends {readonly kind: Name}, Spec extends {readonly kind: Name}> {
  /** The kernel's name: IFLA_INFO_KIND. */
  readonly name: Name;
  /** Reads IFLA_INFO_DATA; undefined when the kernel sent none. */
  decode(data: AttributeCursor | undefined): Info;
  /** Writes the attributes of IFLA_INFO_DATA. */
  encode(writer: MessageWriter, spec: Spec): void;
}
