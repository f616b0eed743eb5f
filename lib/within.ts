/**
 * What the work gives, unless it takes longer than that; what comes later is nobody's. Its timer keeps no process alive.
 *
 * @param late what is thrown then
 */
export async function within<T>(milliseconds: number, work: () => T, late: () => Error): Promise<Awaited<T>> {
  let timer: NodeJS.Timeout | undefined
  const end = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(late()), milliseconds).unref()
  })
  try {
    return await Promise.race([work(), end])
  } finally {
    clearTimeout(timer)
  }
}
