// The same as quick-scrypt.js, for processes that tests start: node -r quick-scrypt-process.cjs child.cjs
const crypto = require('node:crypto')

const { scrypt } = crypto
crypto.scrypt = (text, salt, length, cost, done) => scrypt(text, salt, length, { ...cost, N: 2 }, done)
