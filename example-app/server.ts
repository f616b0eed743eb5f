import { createServer } from 'node:http'
import { createApp } from './app'
import { readConfig } from './config'
import { DEMO_PASSWORD } from './users'

async function main(): Promise<void> {
  const config = readConfig()
  const { app, close } = await createApp(config)

  // Whoever holds back a body goes on with the session that it began with: not for long. Of the two limits Node takes
  // the longer one, and looks at its connections twice a minute unless told otherwise.
  const limits = { requestTimeout: 15_000, headersTimeout: 10_000, connectionsCheckingInterval: 5_000 }
  const server = createServer(limits, app).listen(config.port, () => {
    // Of several, the first speaks for all.
    if (config.processName && config.processName !== '1') return
    console.log(`
  Quayside Savings, a demonstration of express-second-factor

    http://localhost:${config.port}

    accounts   alice, bob, carol, admin
    password   ${DEMO_PASSWORD}
    data       ${config.dataDir}
`)
  })
  server.on('error', fail)

  const stop = () => {
    server.close(() => {
      close().finally(() => process.exit(0))
    })
    server.closeAllConnections()
  }
  process.once('SIGTERM', stop)
  process.once('SIGINT', stop)
}

function fail(error: Error): void {
  console.error(error.message)
  process.exit(1)
}

main().catch(fail)
