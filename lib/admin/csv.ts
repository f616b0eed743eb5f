/**
 * What a spreadsheet may take for a formula: at the beginning of a cell, and after anything that begins a new one
 * where the file is read with another separator. Full-width signs are taken for the plain ones, and what
 * nobody sees is skipped.
 */
const FORMULA = /(^|[,;|"'])([\s\p{Cf}]*)(?=[=+\-@\uff1d\uff0b\uff0d\uff20])/gu

/** One line as RFC 4180 has it. Every cell stands in quotes, and none is a formula. */
export function csvLine(cells: readonly (string | number | null)[]): string {
  return `${cells.map(cell).join(',')}\r\n`
}

function cell(value: string | number | null): string {
  if (value === null) return '""'
  if (typeof value === 'number') return `"${value}"`
  // Tabs and line breaks are of no use in a name, and begin cells or lines where quotes are not heeded.
  const text = value.replace(/[\p{Cc}\u2028\u2029]+/gu, ' ').replace(FORMULA, "$1$2'")
  return `"${text.replaceAll('"', '""')}"`
}
