/** One that leads somewhere from anywhere: with its scheme and host. */
export function isWholeUrl(url: unknown): boolean {
  return typeof url === 'string' && URL.canParse(url) && /^https?:$/.test(new URL(url).protocol)
}
