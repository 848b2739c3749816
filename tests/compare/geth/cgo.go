//go:build cgo

package main

// cgo says whether go-ethereum's curve is libsecp256k1; without cgo it is one written in Go, twice as slow.
const cgo = true
