import { compareAnswer } from '../../lib/recovery/comparison'

test.each<[string, string, string | undefined, string]>([
  ['firstName', 'alice', 'Alice', 'same'],
  ['firstName', '  Anna\u00a0 Maria ', 'ANNA MARIA', 'same'],
  ['firstName', 'AnnaMaria', 'Anna Maria', 'different'],
  // Encodings of the same letters: two characters or one, full width, half-width kana, a ligature.
  ['lastName', 'Jose\u0301', 'Jos\u00e9', 'same'],
  ['lastName', '\uff21\uff4c\uff49\uff43\uff45', 'Alice', 'same'],
  ['lastName', '\uff94\uff8f\uff80\uff9e', '\u30e4\u30de\u30c0', 'same'],
  ['lastName', 'O\ufb03ce', 'Office', 'same'],
  ['lastName', '\u2121', 'Tel', 'same'],
  ['lastName', 'STRASSER', 'Stra\u00dfer', 'same'],
  [
    'lastName',
    '\u03a3\u03af\u03c3\u03c5\u03c6\u03bf\u03c2',
    '\u03a3\u038a\u03a3\u03a5\u03a6\u039f\u03a3',
    'same',
  ],
  ['lastName', 'Lid\u200bdell\ufeff', 'Liddell', 'same'],
  // An accent is a letter's own.
  ['lastName', 'Jose', 'Jos\u00e9', 'different'],
  ['phone', '+44 (20) 7946-0101', '442079460101', 'same'],
  ['phone', '+44 20 7946 0102', '+44 20 7946 0101', 'different'],
  ['phone', '\u0664\u0664 \u06f2\u06f0', '4420', 'same'],
  ['phone', '\u096f\uff11', '91', 'same'],
  ['phone', '\u1a90\u1a99\u{116da}\u{116e3}', '0909', 'same'],
  ['mobilePhone', '(0151) 1', '01511', 'same'],
  // Not a number to compare, or none at all.
  ['phone', 'none', 'unlisted', 'different'],
  ['phone', 'none', '1', 'different'],
  ['phone', 'None', 'none', 'same'],
  ['memberNumber', '12-3', '123', 'different'],
  ['phone', '1', undefined, 'unknown'],
  ['phone', '1', ' \u200b', 'unknown'],
])('%s: %j beside %j is %s', (field, typed, registered, expected) => {
  expect(compareAnswer(field, typed, registered)).toBe(expected)
})
