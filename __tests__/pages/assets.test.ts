import { createHash } from 'node:crypto'
import express from 'express'
import request from 'supertest'
import { samples } from './samples'
import { appOf, folderOf } from './support'

const express4: typeof express = require('express4')

async function urlsOf(app: ReturnType<typeof appOf>) {
  const { text } = await request(app).get('/two-factor')
  const find = (pattern: RegExp) => String(pattern.exec(text)?.[1])
  return { css: find(/<link rel="stylesheet" href="([^"]+)"/), js: find(/<script src="([^"]+)"/) }
}

describe.each([
  ['Express 5', express],
  ['Express 4', express4],
])('%s', (_name, framework) => {
  const app = appOf(samples.disable, {}, 200, framework)

  test('style and script: immutable, with their types, named after their content', async () => {
    const { css, js } = await urlsOf(app)
    const style = await request(app).get(css).expect(200)
    expect(style.headers['content-type']).toBe('text/css; charset=utf-8')
    expect(style.headers['cache-control']).toBe('public, max-age=31536000, immutable')
    expect(style.headers['x-content-type-options']).toBe('nosniff')
    expect(css).toContain(createHash('sha256').update(style.text).digest('hex').slice(0, 12))
    const script = await request(app).get(js).expect(200)
    expect(script.headers['content-type']).toBe('text/javascript; charset=utf-8')
  })

  test('HEAD answers, what is unknown falls through', async () => {
    const { css } = await urlsOf(app)
    const head = await request(app).head(css).expect(200)
    expect(Number(head.headers['content-length'])).toBeGreaterThan(1000)
    await request(app).post(css).expect(404)
    await request(app).get('/two-factor/assets/second-factor.css').expect(404)
    await request(app).get('/two-factor/assets/..%2Flayout.ejs').expect(404)
    await request(app).get('/two-factor/assets/').expect(404)
  })
})

test("a file of the host's replaces ours, under a URL of its own", async () => {
  const app = appOf(samples.disable, { views: folderOf({ 'assets/second-factor.css': '.mine {}' }) })
  const { css } = await urlsOf(app)
  expect(css).not.toBe((await urlsOf(appOf(samples.disable))).css)
  expect((await request(app).get(css)).text).toBe('.mine {}')
})
