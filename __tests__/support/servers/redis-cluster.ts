import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { freePort } from '../free-port'
import { ping, redisCommand } from './redis'
import { ServerProcess } from './server-process'

const { tools } = require('../tools')

export interface RedisCluster {
  ports: number[]
  nodes: { host: string; port: number }[]
  stop(): Promise<void>
}

/** Six nodes: three that hold a third of the slots each, and a replica of every one. */
export async function startRedisCluster(): Promise<RedisCluster> {
  const folder = mkdtempSync(join(tmpdir(), 'redis-cluster-'))
  const ports: number[] = []
  while (ports.length < 6) ports.push(await freePort())
  const servers = ports.map((port) => {
    const own = join(folder, `${port}`)
    mkdirSync(own)
    const args = ['--cluster-enabled', 'yes', '--cluster-node-timeout', '5000', '--appendonly', 'yes']
    return new ServerProcess(redisCommand(port, own, args), () => ping(port))
  })
  const stop = async () => {
    await Promise.all(servers.map((server) => server.end('SIGKILL')))
    rmSync(folder, { recursive: true, force: true })
  }
  try {
    await Promise.all(servers.map((server) => server.start()))
    await makeCluster(ports)
  } catch (error) {
    await stop()
    throw error
  }
  return { ports, nodes: ports.map((port) => ({ host: '127.0.0.1', port })), stop }
}

/** Makes a cluster of the nodes, and waits until all of them see it. */
async function makeCluster(ports: number[]): Promise<void> {
  const addresses = ports.map((port) => `127.0.0.1:${port}`)
  execFileSync(tools.redisCli.path() as string, [
    '--cluster',
    'create',
    ...addresses,
    '--cluster-replicas',
    '1',
    '--cluster-yes',
  ])
  await Promise.all(ports.map(agreed))
}

/** Every node knows that the cluster is whole. */
async function agreed(port: number): Promise<void> {
  const client = new Redis(port, '127.0.0.1')
  try {
    for (let tries = 0; tries < 400; tries++) {
      const info = (await client.cluster('INFO')) as string
      if (/cluster_state:ok/.test(info) && /cluster_known_nodes:6/.test(info)) return
      await delay(50)
    }
    throw new Error(`the node at ${port} does not see the whole cluster`)
  } finally {
    client.disconnect()
  }
}
