import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { SecondFactorOptions } from '../lib/options'
import { OWN_FIELDS } from '../lib/own-fields'
import { readOptions } from '../lib/settings'
import { MemoryStore } from '../lib/stores/memory'

const VIEWS = join(__dirname, '../views')

const needed: SecondFactorOptions = {
  issuer: 'Acme',
  account: () => ({ id: 1 }),
  keys: [Buffer.from('0123456789abcdef0123456789abcdef')],
  store: new MemoryStore(),
  notify: {
    transport: { sendMail: async () => {} },
    from: 'a@b.example',
    recipients: () => [],
    settingsUrl: 'https://acme.example/two-factor',
  },
}
const recovery = (fields?: string[]) => ({ store: new MemoryStore(), ...(fields && { fields }) })
const csrf = (field: string) => ({ token: () => 'a', verify: 'before' as const, field })

test('they are all that the forms of the views send', () => {
  // Of the search, which changes nothing.
  const others = ['q', 'status']
  const views = readdirSync(VIEWS, { recursive: true, encoding: 'utf8' }).filter((file) =>
    file.endsWith('.ejs'),
  )
  const names = views.flatMap((file) =>
    [...readFileSync(join(VIEWS, file), 'utf8').matchAll(/(?<!<meta )\bname="([^"<]+)"/g)].map(
      ([, name]) => name as string,
    ),
  )
  expect([...new Set(names)].filter((name) => !others.includes(name)).sort()).toEqual([...OWN_FIELDS].sort())
})

test.each(OWN_FIELDS)(
  "%s is refused for a field that recovery asks for, and for the host's token",
  (name) => {
    expect(() => readOptions({ ...needed, recovery: recovery(['phone', name]) })).toThrow(
      /recovery\.fields .*SF_RECOVERY/,
    )
    expect(() => readOptions({ ...needed, csrf: csrf(name) })).toThrow(/csrf\.field .*SF_CSRF/)
  },
)

test('other names may be', () => {
  const fields = ['codeword', 'phone']
  expect(readOptions({ ...needed, recovery: recovery(fields), csrf: csrf('xsrf') }).recovery?.fields).toEqual(
    fields,
  )
})
