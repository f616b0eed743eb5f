import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import express, { type Express } from 'express'
import request from 'supertest'
import { createLanguages, type LanguagesOptions } from '../../lib/pages/language'
import type { Page } from '../../lib/pages/page'
import { createRenderer, type RendererOptions } from '../../lib/pages/renderer'

export type Options = Partial<RendererOptions> & LanguagesOptions

export const form = { field: '_csrf', token: 'csrf-token-1' }

export function rendererOf(options: Options = {}) {
  const { locales, language, ...rest } = options
  return createRenderer({ issuer: 'Acme', languages: createLanguages({ locales, language }), ...rest })
}

/** An app that shows one page at `/two-factor`. */
export function appOf(page: Page, options: Options = {}, status = 200, framework = express): Express {
  const renderer = rendererOf(options)
  const app = framework()
  const router = framework.Router()
  router.use('/assets', renderer.assets)
  router.get('/', (req, res, next) => {
    res.locals.fromHost = 'the host says so'
    renderer.render(req, res, page, status, form).catch(next)
  })
  app.use('/two-factor', router)
  return app
}

export function show(page: Page, options: Options = {}, status = 200) {
  return request(appOf(page, options, status)).get('/two-factor')
}

/** A new folder with these files. */
export function folderOf(files: Record<string, string>): string {
  const folder = mkdtempSync(join(tmpdir(), 'second-factor-'))
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true })
    writeFileSync(join(folder, name), text)
  }
  return folder
}
