import { execFileSync } from 'node:child_process'
import { chownSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client } from 'pg'
import { freePort } from '../free-port'
import { type DatabaseServer, idsOf, ServerProcess } from './server-process'
import { dataDirectory } from './template'

const { tools } = require('../tools')

/** A PostgreSQL with one database `test`, whose user `postgres` needs no password. */
export async function startPostgres(): Promise<DatabaseServer> {
  const bin = tools.postgres.path() as string
  const ids = idsOf('postgres')
  const folder = mkdtempSync(join(tmpdir(), 'postgres-'))
  if (ids.uid !== undefined) chownSync(folder, ids.uid, ids.gid as number)
  const data = join(folder, 'data')
  const initdb = ['-D', data, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--locale=C.UTF-8', '--no-sync']
  await dataDirectory('postgres', data, () =>
    execFileSync(join(bin, '../initdb'), initdb, { ...ids, stdio: 'pipe', cwd: folder }),
  )
  const port = await freePort()
  const url = (database: string) => `postgres://postgres@127.0.0.1:${port}/${database}`
  const settings = ['listen_addresses=127.0.0.1', `unix_socket_directories=${folder}`, 'max_connections=200']
  const args = ['-D', data, '-p', `${port}`, ...settings.flatMap((setting) => ['-c', setting])]
  const server = new ServerProcess({ program: bin, args, ...ids }, () => query(url('postgres'), 'select 1'))
  await server.start()
  await query(url('postgres'), 'create database test')
  return {
    port,
    url: url('test'),
    // SIGQUIT ends it at once, without a last word to the disk, and its children with it.
    kill: () => server.end('SIGQUIT'),
    restart: () => server.start(),
    async stop() {
      await server.end('SIGQUIT')
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

async function query(url: string, text: string): Promise<void> {
  const client = new Client(url)
  client.on('error', () => {})
  await client.connect()
  try {
    await client.query(text)
  } finally {
    await client.end()
  }
}
