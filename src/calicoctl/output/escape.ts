/**
 * Text of resources on its way to a terminal. Names and selectors are written by people who may not be friends: a control
 * character or an escape sequence in one must not move the cursor, hide a row or retitle the window.
 */

/** Controls (escape and delete among them), line and paragraph separators, and what changes the direction of text. */
const UNSAFE = /[\p{Cc}\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu;

/** The text with each such character shown as `\u001b`. */
export function escapeForTerminal(text: string): string {
  return text.replace(UNSAFE, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
