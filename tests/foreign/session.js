// SPDX-License-Identifier: MIT OR Apache-2.0
// Runs the script of an Open Stage Control session, with the app's functions played here: session.js FILE.
// One JSON object goes to stdout: what is sent at once, what again, and how often in ms.
'use strict'

const fs = require('fs')

const session = JSON.parse(fs.readFileSync(process.argv[2], 'utf8'))
let sent = []
let interval = null
const send = (target, address, ...args) => sent.push([target, address, args])
const setInterval = (id, callback, delay) => {
  interval = { id, callback, delay }
}
new Function('send', 'setInterval', 'value', session.content.onCreate)(send, setInterval, '')
const first = sent
sent = []
interval.callback()
console.log(JSON.stringify({ first, again: sent, every: interval.delay }))
