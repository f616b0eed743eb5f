import { createInterface } from 'node:readline'
import type { World } from './command'

/** Asks a question whose answer is yes or no, on a terminal. Only yes is yes. @throws AbortError at Ctrl-C */
export function confirmed(question: string, { stdin, stderr, signal }: World): Promise<boolean> {
  const lines = createInterface({ input: stdin })
  stderr.write(`${question} [y/N] `)
  return new Promise<boolean>((resolve, reject) => {
    const stop = () => reject(new DOMException('Stopped', 'AbortError'))
    if (signal.aborted) stop()
    signal.addEventListener('abort', stop, { once: true })
    lines.once('line', (answer) => resolve(/^\s*y(es)?\s*$/i.test(answer)))
    // The end of the input is no yes.
    lines.once('close', () => resolve(false))
  }).finally(() => lines.close())
}
