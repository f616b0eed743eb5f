import { hostsOf } from '../../example-app/redis'

test.each([
  ['redis://127.0.0.1:6379', '127.0.0.1:6379'],
  ['redis-cluster://a:1,b:2', 'a:1,b:2'],
  ['rediss://user:geh@eim@host:1/0?x=y', 'host:1'],
])('the hosts of %s', (url, hosts) => {
  expect(hostsOf(url)).toBe(hosts)
})
