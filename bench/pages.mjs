// What a page costs: bytes and requests to the browser, time to the server.

import { randomBytes } from 'node:crypto'
import { gzipSync } from 'node:zlib'
import { startApp } from './support/app-process.mjs'
import { keptAlive, send } from './support/http-client.mjs'
import { library } from './support/library.mjs'
import { load } from './support/load.mjs'
import { interleaved, spread } from './support/measure.mjs'
import { figure, median, table, target } from './support/report.mjs'

const { qrSvg } = library('authenticators/qr')
const { otpauthUri } = library('authenticators/otpauth-uri')

export default async function pages({ quick }) {
  const app = await startApp('ours', { kind: 'memory', accounts: 1 })
  const agent = keptAlive()
  const { port } = app
  const html = { accept: 'text/html', 'accept-language': 'en' }
  try {
    // Half a login, and somebody who is setting a phone up.
    const pending = new Map()
    await send({
      port,
      agent,
      cookies: pending,
      method: 'POST',
      path: '/login',
      body: { username: '1', password: 'x' },
    })
    const enrolling = new Map()
    await send({
      port,
      agent,
      cookies: enrolling,
      method: 'POST',
      path: '/login',
      body: { username: 'new', password: 'x' },
    })
    const settings = await send({ port, agent, cookies: enrolling, path: '/two-factor' })
    const headers = { 'x-csrf-token': JSON.parse(settings.text).csrfToken }
    await send({
      port,
      agent,
      cookies: enrolling,
      headers,
      method: 'POST',
      path: '/two-factor/enable',
      body: {},
    })

    const shown = {
      'the challenge': { path: '/two-factor/challenge', cookies: pending },
      'enabling, with the QR code': { path: '/two-factor/enable', cookies: enrolling },
      settings: { path: '/two-factor', cookies: enrolling },
    }
    const rows = []
    const weights = {}
    for (const [name, { path, cookies }] of Object.entries(shown)) {
      const page = await send({ port, agent, cookies, headers: html, path })
      if (page.status !== 200) throw new Error(`${path} answered ${page.status}`)
      const files = [...page.text.matchAll(/(?:src|href)="(\/two-factor\/assets\/[^"]+)"/g)].map(
        ([, url]) => url,
      )
      const parts = [page.text]
      for (const file of new Set(files)) parts.push((await send({ port, agent, path: file })).text)
      const sum = (size) => parts.reduce((all, text) => all + size(text), 0)
      weights[name] = sum(Buffer.byteLength)
      rows.push([
        name,
        parts.length,
        kilo(Buffer.byteLength(page.text)),
        kilo(weights[name]),
        kilo(sum((text) => gzipSync(text).length)),
      ])
    }
    table('Weight of a page, kB', ['', 'requests', 'the HTML', 'all', 'all, gzip'], rows)
    target(
      'the challenge under 20 kB all told',
      weights['the challenge'] < 20_000,
      `${kilo(weights['the challenge'])} kB, without compression`,
    )

    const times = await serverTimes(
      app,
      agent,
      { 'a route that says ok': { path: '/nothing', cookies: new Map() }, ...shown },
      html,
      quick,
    )
    const base = spread(times['a route that says ok']).median
    table(
      'Time of a page, one at a time (CPU of the server, ms: median, quartiles)',
      ['', 'on top of an empty route', 'all'],
      Object.entries(times).map(([name, all]) => [
        name,
        figure(spread(all).median - base),
        median(spread(all)),
      ]),
    )
    const worst = Math.max(...Object.values(times).map((all) => spread(all).median))
    target('QR and page within 5 ms', worst < 5, `${figure(worst)} ms`)
  } finally {
    agent.destroy()
    await app.stop()
  }

  const uri = otpauthUri('Acme', 'alice@example.com', randomBytes(20))
  const { qr } = await interleaved(
    { qr: () => qrSvg(uri) },
    quick ? { rounds: 5, slice: 20 } : { rounds: 15, slice: 50 },
  )
  console.log(
    `\nThe QR code alone: ${median({ median: qr.median / 1000, low: qr.low / 1000, high: qr.high / 1000 })} ms`,
  )
}

/** Rounds of each page in turn; milliseconds of CPU a request. */
async function serverTimes(app, agent, shown, headers, quick) {
  const times = Object.fromEntries(Object.keys(shown).map((name) => [name, []]))
  const count = quick ? 50 : 200
  for (let round = -2; round < (quick ? 4 : 15); round++) {
    for (const [name, { path, cookies }] of Object.entries(shown)) {
      const before = await app.ask('figures')
      await load(count, 1, () => send({ port: app.port, agent, cookies, headers, path }))
      const after = await app.ask('figures')
      if (round >= 0) times[name].push((after.cpu - before.cpu) / count / 1000)
    }
  }
  return times
}

function kilo(bytes) {
  return (bytes / 1000).toFixed(1)
}
