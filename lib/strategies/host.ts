import type { CodeSubmission } from '../session/code-submission'

const submissions = new WeakMap<object, CodeSubmission>()

/**
 * What strategies find by the object that `createSecondFactor` returned. Not in a property of it: an app that logs the
 * object would log what is behind it, and what is behind it can let a request in.
 */
export function provideStrategies(secondFactor: object, submission: CodeSubmission): void {
  submissions.set(secondFactor, submission)
}

/** Undefined: it is something else. */
export function submissionOf(secondFactor: unknown): CodeSubmission | undefined {
  return submissions.get(secondFactor as object)
}
