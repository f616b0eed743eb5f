/** Prints a Markdown table with its columns aligned; the first column is text, the others are numbers. */
export function table(title, head, rows) {
  const cells = [head, ...rows].map((row) => row.map(String))
  const widths = head.map((_, column) => Math.max(3, ...cells.map((row) => row[column].length)))
  const line = (row) =>
    `| ${row.map((cell, n) => (n === 0 ? cell.padEnd(widths[n]) : cell.padStart(widths[n]))).join(' | ')} |`
  const rule = `| ${widths.map((width, n) => (n === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`)).join(' | ')} |`
  console.log(`\n### ${title}\n`)
  console.log([line(cells[0]), rule, ...cells.slice(1).map(line)].join('\n'))
}

/** Whether a target is met, told below the table that shows it. */
export function target(text, met, figure) {
  console.log(`\n- ${met ? 'met' : 'NOT MET'}: ${text} (${figure})`)
}

/** 1234.5 -> "1235", 12.345 -> "12.3", 0.123 -> "0.12" */
export function figure(number) {
  if (!Number.isFinite(number)) return '-'
  if (Math.abs(number) >= 100) return number.toFixed(0)
  return number.toFixed(Math.abs(number) >= 10 ? 1 : 2)
}

/** A median with the quartiles around it. */
export function median({ median: middle, low, high }) {
  return `${figure(middle)} (${figure(low)}-${figure(high)})`
}

export function ratio(a, b) {
  return `${figure(a / b)}x`
}
