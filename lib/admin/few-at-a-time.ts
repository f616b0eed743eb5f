/** How many questions wait for the host at once. */
const AT_ONCE = 5

/** Asks for each, in their order, a few at a time: what serves one user must not be flooded by a list of them. */
export async function fewAtATime<T, R>(items: readonly T[], ask: (item: T) => Promise<R>): Promise<R[]> {
  const answers: R[] = []
  let next = 0
  async function work(): Promise<void> {
    while (next < items.length) {
      const index = next++
      answers[index] = await ask(items[index] as T)
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, work))
  return answers
}
