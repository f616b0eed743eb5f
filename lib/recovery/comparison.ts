/** How an answer compares with what is registered; `unknown`: nothing is registered in its place. */
export type Comparison = 'same' | 'different' | 'unknown'

/**
 * Compares what was typed with what is registered, heeding neither case nor spaces nor how characters are encoded; of
 * phone numbers the digits alone. It is for the eye of support, and decides nothing.
 */
export function compareAnswer(field: string, typed: string, registered: string | undefined): Comparison {
  const known = plain(registered ?? '')
  if (known === '') return 'unknown'
  const given = plain(typed)
  // Two numbers without a digit are not the same number.
  const alike =
    /phone/i.test(field) && digits(known) !== '' ? digits(given) === digits(known) : given === known
  return alike ? 'same' : 'different'
}

/** NFKC: full-width letters and half-width kana are the same as the plain ones. Upper case first, for ß and ς. */
function plain(text: string): string {
  const visible = text.normalize('NFKC').replace(/\p{Default_Ignorable_Code_Point}/gu, '')
  return visible.toUpperCase().toLowerCase().replace(/\s+/g, ' ').trim()
}

/** The digits of any script as ASCII writes them. */
function digits(text: string): string {
  return [...text.matchAll(/\p{Decimal_Number}/gu)].map(([digit]) => worthOf(digit)).join('')
}

/** Unicode has the ten digits of a script in a row, from zero on; some rows stand side by side. */
function worthOf(digit: string): number {
  const code = digit.codePointAt(0) as number
  let before = 0
  while (/^\p{Decimal_Number}$/u.test(String.fromCodePoint(code - before - 1))) before += 1
  return before % 10
}
