import { join } from 'node:path'
import { conformance } from '../support/conformance'
import { type FaultProxy, startFaultProxy } from '../support/servers/fault-proxy'
import { openStore, type Place, places } from '../support/stores'

const { describeWith } = require('../support/tools')

/** Every store that lives on a server, on a real one, with a proxy in between that breaks the connections. */
for (const { name, needs, start } of places.filter((place) => place.name !== 'SQLite')) {
  describeWith(needs, name, () => {
    let place: Place
    let proxies: FaultProxy[]
    let via: Map<number, number>

    beforeAll(async () => {
      place = await start()
      const ports = [...place.url.matchAll(/\d{4,5}/g)].map(([port]) => Number(port))
      proxies = await Promise.all(ports.map(startFaultProxy))
      via = new Map(ports.map((port, index) => [port, (proxies[index] as FaultProxy).port]))
    }, 60_000)
    afterAll(async () => {
      await Promise.all(proxies?.map((proxy) => proxy.close()) ?? [])
      await place?.stop()
    })

    conformance(`the store on ${name}`, {
      open: () => openStore(place.url, via),
      cut() {
        for (const proxy of proxies) proxy.cut()
      },
      clients: 3,
      rounds: 8,
      processes: { count: 2, module: join(__dirname, 'place-client.cjs'), data: () => place.url },
    })
  })
}
