import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

type Catalogue = { [key: string]: string | Catalogue }

const folder = join(__dirname, '../../views/locales')
const read = (file: string): Map<string, string> => flat(JSON.parse(readFileSync(join(folder, file), 'utf8')))

function flat(catalogue: Catalogue, path = ''): Map<string, string> {
  return new Map(
    Object.entries(catalogue).flatMap(([key, value]) =>
      typeof value === 'string' ? [[path + key, value] as const] : [...flat(value, `${path}${key}.`)],
    ),
  )
}

const languages = ['ar', 'de', 'en', 'es', 'fr', 'ja', 'pt', 'ru', 'uk', 'zh']
const english = read('en.json')
const plural = /_(zero|one|two|few|many|other)$/
const bare = (key: string) => key.replace(plural, '')
const placeholders = (text: string) => [...text.matchAll(/{{(.*?)}}/g)].map(([, name]) => name).sort()

test('these are the languages', () => {
  expect(readdirSync(folder).sort()).toEqual(languages.map((tag) => `${tag}.json`))
})

describe.each(languages)('%s', (tag) => {
  const words = read(`${tag}.json`)
  const { pluralCategories } = new Intl.PluralRules(tag).resolvedOptions()

  test('has every key, with all the plurals of the language, and no other', () => {
    const wanted = [...english.keys()].flatMap((key) =>
      plural.test(key) ? pluralCategories.map((category) => `${bare(key)}_${category}`) : [key],
    )
    expect([...words.keys()].sort()).toEqual([...new Set(wanted)].sort())
  })

  test('fills in what English does', () => {
    for (const [key, text] of words) {
      const expected = placeholders(english.get(key) ?? (english.get(`${bare(key)}_other`) as string))
      const found = placeholders(text)
      // A form for just one or two says so in a word.
      const counted = plural.test(key) ? expected.filter((name) => name !== 'number') : expected
      expect([key, [expected, counted].some((one) => String(one) === String(found))]).toEqual([key, true])
    }
  })

  test('escapes everything, and includes nothing', () => {
    for (const [key, text] of words)
      expect([key, text]).toEqual([key, expect.not.stringMatching(/[<>]|{{-|\$t\(/)])
  })

  test('uses no word that users need not know', () => {
    for (const [key, text] of words) {
      expect([key, text]).toEqual([key, expect.not.stringMatching(/\b(TOTP|OTP|token|credentials)\b/i)])
    }
  })

  test('leaves nothing out', () => {
    for (const [key, text] of words) expect([key, text.trim() === text && text !== '']).toEqual([key, true])
  })
})
