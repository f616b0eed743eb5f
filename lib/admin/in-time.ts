/** How long an answer waits for what it can do without, milliseconds. */
export const PATIENCE = 1500

/** What was asked for, where it comes in time; otherwise null, and it goes on by itself. */
export async function inTime<T>(work: Promise<T>): Promise<T | null> {
  let timer: NodeJS.Timeout | undefined
  const end = new Promise<null>((resolve) => {
    timer = setTimeout(() => resolve(null), PATIENCE)
  })
  try {
    return await Promise.race([work, end])
  } finally {
    clearTimeout(timer)
  }
}
