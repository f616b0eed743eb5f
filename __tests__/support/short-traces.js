// Every `expect` keeps its stack, passed or not. Jest asks for 100 calls of each, which costs a tenth of all that tests
// do; the first ten name the line.
Error.stackTraceLimit = 10
