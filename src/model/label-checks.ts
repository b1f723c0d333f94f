/**
 * Labels that a resource gives to something else obey the same rules as its own.
 */
import {labelValue, qualifiedName} from './name-rules.ts';
import {type Violation, violation} from './violation.ts';

/** What is wrong with labels that stand at `path`. */
export function labelViolations(labels: Readonly<Record<string, string>>, path: string): readonly Violation[] {
  const violations: Violation[] = [];
  for (const [key, value] of Object.entries(labels)) {
    const brokenKey = qualifiedName(key);
    if (brokenKey !== undefined) violations.push(violation(path, key, brokenKey));
    const brokenValue = labelValue(value);
    if (brokenValue !== undefined) violations.push(violation(`${path}[${key}]`, value, brokenValue));
  }
  return violations;
}
