import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import mysql from 'mysql2/promise'
import { freePort } from '../free-port'
import { type DatabaseServer, ServerProcess } from './server-process'
import { dataDirectory } from './template'

const { tools } = require('../tools')

const logSize = '--innodb-log-file-size=16M'

/** A MariaDB with one database `test`, whose user `test` has the password `test`. */
export async function startMariadb(): Promise<DatabaseServer> {
  const folder = mkdtempSync(join(tmpdir(), 'mariadb-'))
  const data = join(folder, 'data')
  const user = process.getuid?.() === 0 ? ['--user=root'] : []
  const install = [
    '--no-defaults',
    `--datadir=${data}`,
    '--auth-root-authentication-method=normal',
    '--skip-test-db',
    logSize,
  ]
  await dataDirectory('mariadb', data, () =>
    execFileSync(tools.mariadbInstall.path() as string, [...install, ...user], { stdio: 'pipe' }),
  )
  const port = await freePort()
  const args = [
    '--no-defaults',
    `--datadir=${data}`,
    `--socket=${join(folder, 'socket')}`,
    `--pid-file=${join(folder, 'pid')}`,
    '--bind-address=127.0.0.1',
    `--port=${port}`,
    '--skip-name-resolve',
    '--max-connections=200',
    // Small and quick to start; what was committed is on the disk.
    '--innodb-buffer-pool-size=32M',
    logSize,
    ...user,
  ]
  const asRoot = (statement: string) => query(`mysql://root@127.0.0.1:${port}/`, statement)
  const server = new ServerProcess({ program: tools.mariadb.path() as string, args }, () =>
    asRoot('select 1'),
  )
  await server.start()
  await asRoot('create database test character set utf8mb4')
  await asRoot("create user test@'%' identified by 'test'")
  await asRoot("grant all on test.* to test@'%'")
  return {
    port,
    url: `mysql://test:test@127.0.0.1:${port}/test`,
    kill: () => server.end('SIGKILL'),
    restart: () => server.start(),
    async stop() {
      await server.end('SIGKILL')
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

async function query(url: string, statement: string): Promise<void> {
  const connection = await mysql.createConnection(url)
  try {
    await connection.query(statement)
  } finally {
    await connection.end()
  }
}
