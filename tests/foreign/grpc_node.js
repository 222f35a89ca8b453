// SPDX-License-Identifier: MIT OR Apache-2.0
// @grpc/grpc-js with the schema's files: grpc_node.js HOST:PORT FOLDER. What it saw goes to stdout as one
// JSON object.
'use strict'

const grpc = require('@grpc/grpc-js')
const loader = require('@grpc/proto-loader')

const [target, folder] = process.argv.slice(2)
const TRIM = 'trim/trim'
const files = ['rack', 'snapshot', 'meter', 'system'].map((f) => `lathe/v1/${f}.proto`)
const options = { includeDirs: [folder], keepCase: true, longs: Number, enums: String, defaults: true, oneofs: true }
const { v1 } = grpc.loadPackageDefinition(loader.loadSync(files, options)).lathe

const client = (service) => new v1[service](target, grpc.credentials.createInsecure())
const deadline = () => ({ deadline: Date.now() + 10000 })

function call(service, method, request) {
  return new Promise((resolve, reject) => {
    service[method](request, deadline(), (error, answer) => (error ? reject(error) : resolve(answer)))
  })
}

// The first thing of a stream that `pick` gives something for.
function first(stream, pick) {
  return new Promise((resolve, reject) => {
    stream.on('error', reject)
    stream.on('data', (message) => {
      const found = pick(message)
      if (found === undefined) return
      resolve(found)
      stream.on('error', () => {}) // the end that we make
      stream.cancel()
    })
  })
}

async function main() {
  const [rack, other] = [client('RackService'), client('RackService')]
  const [snapshots, meters] = [client('SnapshotService'), client('MeterService')]
  const set = (service, real) => call(service, 'SetValues', { items: [{ address: TRIM, real }] })
  const read = async () => (await call(rack, 'GetValues', { addresses: [TRIM] })).values[0].real
  const saw = {}
  await set(rack, -3)
  saw.read_back = await read()
  let begun = false
  const watch = rack.WatchRack({}, deadline())
  saw.feedback = await first(watch, (message) => {
    if (message.change === 'rack' && !begun) {
      begun = true
      set(other, -6)
    }
    const values = message.change === 'values' ? message.values.values : []
    return values.find((v) => v.address === TRIM && v.real === -6)?.real
  })
  saw.meter = await first(meters.WatchMeters({ hz: 20 }, deadline()), (message) => {
    const momentary = message.taps[0]?.momentary
    return Number.isFinite(momentary) && momentary < 0 ? momentary : undefined
  })
  await call(snapshots, 'CreateSnapshot', { name: 'grpc-js' })
  await set(rack, -12)
  await call(snapshots, 'RecallSnapshot', { name: 'grpc-js' })
  saw.recalled = await read()
  saw.refusal = await set(rack, 99).then(() => 'taken', (e) => `${grpc.status[e.code]} ${e.details}`)
  console.log(JSON.stringify(saw))
}

main().then(() => process.exit(0), (e) => {
  console.error(e)
  process.exit(1)
})
