// Sends events with the unmodified client: node send.mjs HOST KEY COUNT
import { Analytics } from '@segment/analytics-node'

const [host, writeKey, count] = process.argv.slice(2)
const analytics = new Analytics({ writeKey, host, flushAt: 15, flushInterval: 100 })
const failed = []
analytics.on('error', (error) => failed.push(error))
analytics.identify({ userId: 'node-user', anonymousId: 'node-visitor', traits: { first_name: 'Noa' } })
for (let number = 0; number < Number(count); number++) {
  analytics.track({ userId: 'node-user', event: 'Product Viewed', properties: { number } })
}
analytics.page({ anonymousId: 'node-visitor', name: 'Home', properties: { path: '/' } })
analytics.screen({ userId: 'node-user', name: 'Start' })
analytics.group({ userId: 'node-user', groupId: 'club', traits: { plan: 'gold' } })
analytics.alias({ previousId: 'node-old', userId: 'node-user' })
analytics.track({
  userId: 'node-user', event: 'Order Completed', timestamp: new Date('2020-02-03T04:05:06.007Z'),
  properties: { half: 'a\ud83d', nothing: null, nested: { list: [1, { deep: true }] } },
})
await analytics.closeAndFlush({ timeout: 20000 })
if (failed.length) {
  console.error(failed)
  process.exit(1)
}
