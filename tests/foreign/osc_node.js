// SPDX-License-Identifier: MIT OR Apache-2.0
// The osc package against a daemon: osc_node.js HOST PORT. What it saw goes to stdout as one JSON object.
'use strict'

const osc = require('osc')

const [host, port] = [process.argv[2], Number(process.argv[3])]
const TRIM = '/rack/trim/trim'

// A client with a socket of its own, and the messages that came to it.
function open() {
  return new Promise((resolve, reject) => {
    const udp = new osc.UDPPort({ localAddress: '127.0.0.1', localPort: 0, remoteAddress: host, remotePort: port, metadata: true })
    const client = { udp, waiting: [] }
    client.send = (address, ...args) => udp.send({ address, args })
    udp.on('message', (m) => {
      client.waiting = client.waiting.filter((w) => !(w.address === m.address && w.take(m.args.map((a) => a.value))))
    })
    udp.on('error', reject)
    udp.on('ready', () => resolve(client))
    udp.open()
  })
}

// The first arguments at an address that are as wanted; asks again every second.
function wait(client, address, wanted = () => true, again = null) {
  return new Promise((resolve, reject) => {
    const ask = () => again && client.send(again)
    const timer = setInterval(ask, 1000)
    const end = setTimeout(() => reject(new Error(`nothing came to ${address}`)), 10000)
    client.waiting.push({
      address,
      take: (args) => {
        if (!wanted(args)) return false
        clearInterval(timer)
        clearTimeout(end)
        resolve(args)
        return true
      },
    })
    ask()
  })
}

const near = (value) => (args) => Math.abs(args[0] - value) < 1e-3
const f = (value) => ({ type: 'f', value })
const s = (value) => ({ type: 's', value })

async function main() {
  const [one, other] = [await open(), await open()]
  const saw = {}
  one.send(TRIM, f(-3))
  saw.read_back = (await wait(one, TRIM, undefined, TRIM))[0]
  one.send('/subscribe', s(TRIM))
  await wait(one, TRIM) // the full state
  other.send(TRIM, f(-6))
  saw.feedback = (await wait(one, TRIM, near(-6)))[0]
  saw.meter = (await wait(one, '/meter/out/momentary', (a) => a[0] > -100, '/meter/out/momentary'))[0]
  one.send('/snapshot/store', s('node osc'))
  await wait(one, '/snapshot/current', (a) => a[0] === 'node osc', '/snapshot/current')
  one.send(TRIM, f(-12))
  await wait(one, TRIM, near(-12), TRIM)
  one.send('/snapshot/recall', s('node osc'))
  saw.recalled = (await wait(one, TRIM, near(-6), TRIM))[0]
  const refused = wait(one, '/error')
  one.send(TRIM, f(99))
  saw.refusal = (await refused).join(' ')
  console.log(JSON.stringify(saw))
}

main().then(() => process.exit(0), (e) => {
  console.error(e)
  process.exit(1)
})
